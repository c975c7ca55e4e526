"""One request, from the moment the plugins have prepared it until everything is put away.

    Letta ── asked ──> Segment ── wrap ──> Segment ──> batches ──> surface
                        (turns)             (turns)

A surface reads batches; an empty one says that nothing has come for `keepalive` seconds.
If the client leaves, the rest happens unseen: the run is cancelled at Letta (or left to
run), its stream is read to the end, and only then the turns learn how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import attrs

from gateway.call import Call
from gateway.events import Error, Event, Finish, Ping
from gateway.pipeline.asked import Asked
from gateway.pipeline.chain import Chain
from gateway.pipeline.guard import Guarded
from gateway.pipeline.reader import Reader
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
    logger: Logger

    async def pull(self, until: float | None = None) -> Sequence[Event]:
        """The next events, or none at `until`. May be cancelled: nothing is lost by it."""
        chain = self.chain
        while chain.ending is None:
            due = chain.due()
            if due is not None and due <= (now := self.clock.now()):
                out = chain.release(now)
            else:
                taken = await self.reader.take(_earlier(until, due))
                out = chain.feed(taken) if taken else self._broken_off()
            if out or (until is not None and self.clock.now() >= until):
                return out
        return ()

    def _broken_off(self) -> Sequence[Event]:
        """Nothing has come: what there is to say if nothing will."""
        if not self.reader.exhausted:
            return ()
        self.logger.opt(exception=self.reader.failure).error("the answer broke off")
        return self.chain.feed([BROKEN])


@attrs.define
class Exchange:
    """
    A prepared request. `async for` gives its batches; `async with` puts it away.

    Leaving the block before the ending means that the client has gone. `put_away` is called
    when the last turn has been told, which may be later.
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
    put_away: Callable[[], None] = attrs.field(init=False, default=lambda: None)
    _closing: asyncio.Task[list[Event]] | None = attrs.field(init=False, default=None)
    _failed: Error | None = attrs.field(init=False, default=None)

    @property
    def ending(self) -> Finish | Error | None:
        """How the answer ended for the client; None while it goes on."""
        return self.segment.chain.ending

    @property
    def unmet(self) -> str:
        """The field that the answer does not meet, or ""; known before anything is shown."""
        return self.asked.unmet

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._closing is None:
            self.logger.debug("client has left; cancel is {}", self.cancel_on_leave)
            self.spawn(self._unseen(cancel=self.cancel_on_leave))
        elif not self._closing.done():
            self.spawn(self._closed(self._closing))

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        until = self.clock.now() + self.keepalive
        while self._closing is None:
            # Pings say nothing to a client.
            pulled = await self.segment.pull(until)
            batch: list[Event] = [event for event in pulled if type(event) is not Ping]
            if self.segment.chain.ending is not None:
                self._closing = asyncio.create_task(self._end(batch))
                yield await asyncio.shield(self._closing)
            elif batch or self.clock.now() >= until:
                yield batch
                until = self.clock.now() + self.keepalive

    async def _end(self, batch: list[Event]) -> list[Event]:
        """Close the turns before the client is told the end, or behind its back."""
        ending = self.segment.chain.ending
        if self.asked.ending is None:  # a turn ended the answer: Letta is still at it
            conversation = self.asked.call.conversation
            self.spawn(self._unseen(cancel=conversation is None or not conversation.keep))
        else:
            await self._close()
            if self._failed is not None and isinstance(ending, Finish):
                batch[-1] = self._failed
        return batch

    async def _closed(self, closing: asyncio.Task[list[Event]]) -> None:
        """The client has left while the turns were closing: see that they do."""
        await closing

    async def _unseen(self, *, cancel: bool) -> None:
        """What happens behind the client's back; the turns are told even at the gateway's stop."""
        try:
            if cancel:
                await self.asked.cancel()
            await self._read_out(self.leave_seconds if cancel else None)
        finally:
            await self._close()

    async def _read_out(self, limit: float | None) -> None:
        """Read Letta's stream to its end. The turns see it until the answer's ending."""
        try:
            async with asyncio.timeout(limit):
                while self.segment.chain.ending is None:
                    await self.segment.pull()
                await self.segment.reader.drain()
        except TimeoutError:
            self.logger.warning("gave up reading a cancelled run after {} s", limit)

    async def _close(self) -> None:
        """Tell every turn how it ended, from Letta's side up."""
        async with AsyncExitStack() as stack:  # if it is cancelled, the rest are told all the same
            stack.callback(self.put_away)
            for turn in self.turns:
                if turn.has_to_know:
                    stack.push_async_callback(self._tell, turn)
            await self.segment.reader.aclose()

    async def _tell(self, turn: Guarded) -> None:
        if isinstance(self.asked.ending, Finish):
            failed = await turn.settle()
            self._failed = self._failed or failed
        else:
            await turn.abandon()


def _earlier(a: float | None, b: float | None) -> float | None:
    return a if b is None else b if a is None else min(a, b)
