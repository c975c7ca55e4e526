"""One task reads one source; whoever wants the events waits here and may be cancelled.

A read is never cancelled by a timer or by a client that leaves: cancelling `anext` would
close the stream and lose the rest of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import attrs

from gateway.events import Event
from gateway.services import Cancellable, Clock


# A client that reads slowly must not make the gateway hold a whole answer and more.
HIGH_WATER = 4096


@attrs.define
class Alarm:
    """Sets `rings` at a time, or a little too early: whoever wakes looks at the clock."""

    clock: Clock
    rings: asyncio.Event
    _at: float | None = None
    _timer: Cancellable | None = None

    def set(self, when: float) -> None:
        """Ring at `when` at the latest. Cheap when an earlier time is set already."""
        if self._at is not None and self._at <= when:
            return
        self.stop()
        self._at = when
        self._timer = self.clock.call_at(when, self._ring)

    def stop(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
        self._at = self._timer = None

    def _ring(self) -> None:
        self._at = self._timer = None
        self.rings.set()


@attrs.define
class Reader:
    """Reads `source` in a task of its own; `take` gives all that has come since."""

    source: AsyncGenerator[Sequence[Event], None]
    clock: Clock
    exhausted: bool = attrs.field(init=False, default=False)
    failure: Exception | None = attrs.field(init=False, default=None)
    _ready: list[Event] = attrs.field(init=False, factory=list)
    _wake: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _room: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _alarm: Alarm = attrs.field(init=False)
    _task: asyncio.Task[None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._alarm = Alarm(self.clock, self._wake)
        self._task = asyncio.create_task(self._read())

    async def take(self, until: float | None) -> list[Event]:
        """
        All events that have come, waiting for the first of them.

        Returns nothing once `until` (on the clock) has passed, or the source is exhausted;
        may return nothing a little earlier.
        """
        if not self._ready and not self.exhausted:
            if until is not None:
                self._alarm.set(until)
            self._wake.clear()
            await self._wake.wait()
        taken, self._ready = self._ready, []
        self._room.set()
        return taken

    async def drain(self) -> None:
        """Read to the end of the source and drop what comes."""
        while not self.exhausted:
            await self.take(None)

    async def aclose(self) -> None:
        """Stop reading and close the source."""
        self._alarm.stop()
        if not self._task.done():
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async with aclosing(self.source):
                async for batch in self.source:
                    self._ready.extend(batch)
                    self._wake.set()
                    while len(self._ready) > HIGH_WATER:
                        self._room.clear()
                        await self._room.wait()
        except Exception as exc:  # noqa: BLE001  told to whoever takes
            self.failure = exc
        finally:
            self.exhausted = True
            self._wake.set()
            self._alarm.stop()
