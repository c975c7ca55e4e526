"""The response of a stream: aiohttp-sse's, with the wire format that OpenAI's clients expect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import cast

from aiohttp import HttpVersion11
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from aiohttp.web import BaseRequest
from aiohttp_sse import EventSourceResponse


# A comment without a blank line: `: ping\n\n` made older OpenAI SDKs fail on an empty event.
KEEPALIVE = b": ping\n"

SEND_SECONDS = 120.0


class EventStream(EventSourceResponse):
    """
    Sends rendered events, several in one write.

    Keepalive comes from whoever reads the exchange, so the response's own timer is off. The
    headers go out with the first events, and the end with the last: each write is a call of
    the system, which is the dearest part of a chunk.
    """

    _send_headers_immediately = False

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(
            headers=headers, sep="\n", allow_all_methods=True, send_timeout=SEND_SECONDS
        )

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Make the headers ready. In HTTP/1.0 only the connection's end tells a stream's end."""
        if request.version < HttpVersion11:
            self.force_close()
            self.headers["Connection"] = "close"
        writer = await super().prepare(request)
        self._ping_task = None  # it has nothing to do, and would be kept until the end
        self._out, self._connection = cast("StreamWriter", writer), request.protocol
        return writer

    async def put(self, events: bytes) -> None:
        """
        Send these events, or a keepalive comment if there are none.

        As soon as its connection takes no more, a client that reads slowly is waited for. To
        set a time limit costs as much as all the rest of this: only who waits has one.

        Raises:
            TimeoutError: The client has not read for two minutes; the connection is gone.
        """
        await self._out.write(events or KEEPALIVE, drain=False)
        if self._connection.writing_paused:
            await self._taken(self._out.drain())

    async def end(self, events: bytes) -> None:
        """
        Send the last events. Nothing can follow, and what is put all the same is lost.

        Raises:
            TimeoutError: As in `put`.
        """
        await self._taken(self.write_eof(events))

    async def _taken(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await sending
        except TimeoutError:
            self._abort_transport()
            raise

    async def _ping(self) -> None:
        return
