"""Letta's side of a replay: the client that always is, and bytes that are there already."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import attrs
import httpx

from gateway.call import Call
from gateway.letta.run import LettaRun
from gateway.letta.sdk import Client, Http
from gateway.letta.transport import Sender, Sending


if TYPE_CHECKING:
    from loguru import Logger

Play: TypeAlias = Callable[[], AsyncIterator[bytes]]

# It is never asked for: nothing leaves the process.
NOWHERE = "http://replay.invalid"
SECONDS = 60.0


@attrs.define
class Played(httpx.AsyncByteStream):
    """A body that is played."""

    play: Play

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for block in self.play():
            yield block


@attrs.define
class Player(Sender):
    """Answers each message with what is played, and knows nothing else."""

    play: Play

    async def send(self, sending: Sending) -> httpx.Response:
        """The answer to one request."""
        if sending.method == "POST" and sending.url.path.endswith("/messages"):
            kind = {"Content-Type": "text/event-stream; charset=utf-8"}
            return httpx.Response(200, headers=kind, stream=Played(self.play))
        return httpx.Response(200, json=[] if sending.method == "GET" else {})


@attrs.frozen
class PlayedLetta:
    """Whatever it is asked, its answer is played."""

    client: Client
    logger: Logger

    def ask(self, call: Call) -> LettaRun:
        """The answer, read and decoded as any."""
        return LettaRun(self.client, call, SECONDS, self.logger)


@asynccontextmanager
async def playing(play: Play, logger: Logger) -> AsyncIterator[PlayedLetta]:
    """
    A Letta for a replay.

    Args:
        play: Gives the bytes of the answer, anew each time it is asked.
    """
    http = Http(Player(play), base_url=NOWHERE)
    async with Client(api_key="", base_url=NOWHERE, max_retries=0, http_client=http) as client:
        yield PlayedLetta(client, logger)
