"""The response of a stream: aiohttp-sse's, with the wire format that OpenAI's clients expect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import HttpVersion11
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest
from aiohttp_sse import EventSourceResponse


# A comment without a blank line: `: ping\n\n` made older OpenAI SDKs fail on an empty event.
KEEPALIVE = b": ping\n"

SEND_SECONDS = 120.0


class EventStream(EventSourceResponse):
    """
    Sends rendered events, several in one write.

    Keepalive comes from whoever reads the exchange, so the response's own timer is off.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(
            headers=headers, sep="\n", allow_all_methods=True, send_timeout=SEND_SECONDS
        )

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers. In HTTP/1.0 only the connection's end tells a stream's end."""
        if request.version < HttpVersion11:
            self.force_close()
            self.headers["Connection"] = "close"
        return await super().prepare(request)

    async def put(self, events: bytes) -> None:
        """
        Send these events, or a keepalive comment if there are none.

        Raises:
            TimeoutError: The client has not read for two minutes; the connection is gone.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.write(events or KEEPALIVE)
        except TimeoutError:
            self._abort_transport()
            raise

    async def _ping(self) -> None:
        return
