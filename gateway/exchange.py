"""One request, from the moment the plugins have prepared it until everything is put away.

    Letta ── asked ──> Segment ── wrap ──> Segment ──> batches ──> surface
                        (turns)             (turns)

A surface reads batches; an empty one says that nothing has come for `keepalive` seconds.
If the client leaves, the rest happens unseen: the run is cancelled at Letta (or left to
run), its stream is read to the end, and only then the turns learn how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Self

import attrs

from gateway.asked import Asked
from gateway.call import Call
from gateway.chain import Chain
from gateway.events import Error, Event, Finish, Ping
from gateway.guard import Guarded
from gateway.reader import Reader
from gateway.services import Clock, Spawn


if TYPE_CHECKING:
    from loguru import Logger

BROKEN = Error(500, "server_error", "internal_error", "The gateway failed. See its log.")


@attrs.define
class Segment:
    """A chain fed by a source; it gives batches, until the ending."""

    reader: Reader
    chain: Chain
    clock: Clock

    async def pull(self, until: float | None = None) -> list[Event]:
        """The next events, or none at `until`. May be cancelled: nothing is lost by it."""
        while self.chain.ending is None:
            taken = await self.reader.take(_earlier(until, self.chain.due()))
            out = [event for each in taken for event in self.chain.feed(each)]
            now = self.clock.now()
            out += self.chain.release(now)
            if not taken and self.reader.exhausted:
                out += self.chain.feed(BROKEN)
            if out or (until is not None and now >= until):
                return out
        return []

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        """As the source of another segment: to the ending, and unseen to the source's end."""
        try:
            while self.chain.ending is None:
                yield await self.pull()
            await self.reader.drain()
        finally:
            await self.reader.aclose()


@attrs.define
class Exchange:
    """
    A prepared request. `async for` gives its batches; `async with` puts it away.

    Leaving the block before the ending means that the client has gone.
    """

    call: Call
    turns: Sequence[Guarded]
    segment: Segment
    asked: Asked
    clock: Clock
    keepalive: float
    cancel_on_leave: bool
    leave_seconds: float
    spawn: Spawn
    logger: Logger
    ending: Finish | Error | None = attrs.field(init=False, default=None)
    _closing: asyncio.Task[list[Event]] | None = attrs.field(init=False, default=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._closing is None:
            self.spawn(self._leave())

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        while self._closing is None:
            batch = await self._visible(self.clock.now() + self.keepalive)
            if self.segment.chain.ending is not None:
                self._closing = asyncio.create_task(self._end(batch))
                batch = await asyncio.shield(self._closing)
            yield batch

    async def _visible(self, until: float) -> list[Event]:
        """The next batch without pings, which say nothing to a client."""
        while True:
            pulled = await self.segment.pull(until)
            batch: list[Event] = [event for event in pulled if type(event) is not Ping]
            if batch or self.clock.now() >= until or self.segment.chain.ending is not None:
                return batch

    async def _end(self, batch: list[Event]) -> list[Event]:
        """Close the turns before the client is told the end, or behind its back."""
        ending = self.segment.chain.ending
        if self.asked.ending is None:  # a turn ended the answer: Letta is still at it
            self.spawn(self._finish_unseen())
        elif (failed := await self._close()) is not None and isinstance(ending, Finish):
            batch[-1] = ending = failed
        self.ending = ending
        return batch

    async def _finish_unseen(self) -> None:
        conversation = self.call.conversation
        if conversation is None or not conversation.keep:
            await self.asked.cancel()
        await self._read_out()
        await self._close()

    async def _leave(self) -> None:
        self.logger.debug("client has left; cancel is {}", self.cancel_on_leave)
        if self.cancel_on_leave:
            await self.asked.cancel()
        try:
            async with asyncio.timeout(self.leave_seconds):
                while self.segment.chain.ending is None:
                    await self.segment.pull()
        except TimeoutError:
            self.logger.warning("the run left behind did not end in {} s", self.leave_seconds)
        await self._read_out()
        await self._close()

    async def _read_out(self) -> None:
        """Read Letta's stream to its end, bounded, and close it."""
        try:
            async with asyncio.timeout(self.leave_seconds):
                await self.segment.reader.drain()
        except TimeoutError:
            self.logger.warning("gave up reading a run after {} s", self.leave_seconds)

    async def _close(self) -> Error | None:
        """Tell every turn how it ended, from Letta's side up; the first failure to settle."""
        await self.segment.reader.aclose()
        kept = isinstance(self.asked.ending, Finish)
        failed: Error | None = None
        for turn in reversed(self.turns):
            if kept:
                failed = await turn.settle() or failed
            else:
                await turn.abandon()
        return failed


def _earlier(a: float | None, b: float | None) -> float | None:
    return a if b is None else b if a is None else min(a, b)
