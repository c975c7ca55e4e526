"""One task reads one source; whoever wants the events waits here and may be cancelled.

A read is never cancelled by a timer or by a client that leaves: cancelling `anext` would
close the stream and lose the rest of it. The exception is a `Shortcut`, which loses nothing
by it: where the source offers one there is no task, and whoever wants the events reads them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

import attrs

from gateway.events import Event
from gateway.services import Cancellable, Clock


# A client that reads slowly must not make the gateway hold a whole answer and more.
HIGH_WATER = 4096


class Shortcut(Protocol):
    """A way to a source's next batches while its iteration waits where it gave the last."""

    async def read(self) -> list[Event] | None:
        """
        The next batch; None when the iteration has to go on.

        May be cancelled: nothing is lost by it.
        """


def no_shortcut() -> None:
    """There is only the iteration."""


@attrs.define
class Alarm:
    """Calls `rings` at a time, or a little too early: whoever wakes looks at the clock."""

    clock: Clock
    rings: Callable[[], object]
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
        self.rings()


@attrs.define
class Reader:
    """
    Reads `source` in a task of its own, or without one; `take` gives all that has come since.

    `shortcut` is asked for after each batch.
    """

    source: AsyncGenerator[Sequence[Event], None]
    clock: Clock
    shortcut: Callable[[], Shortcut | None] = no_shortcut
    exhausted: bool = attrs.field(init=False, default=False)
    failure: Exception | None = attrs.field(init=False, default=None)
    _ready: list[Event] = attrs.field(init=False, factory=list)
    _wake: asyncio.Event | None = attrs.field(init=False, default=None)
    _room: asyncio.Event | None = attrs.field(init=False, default=None)
    _alarm: Alarm = attrs.field(init=False)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False, factory=asyncio.get_running_loop)
    _task: asyncio.Task[None] | None = attrs.field(init=False)
    _past: Shortcut | None = attrs.field(init=False, default=None)
    _waits: asyncio.Task[Any] | None = attrs.field(init=False, default=None)
    _rung: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._alarm = Alarm(self.clock, self._ring)
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
            if self._past is not None:
                batch = await self._taken_past(self._past)
                if batch is not None:
                    return batch
                self._past = None
                self._task = asyncio.create_task(self._read())
            await self._woken()
        taken, self._ready = self._ready, []
        if self._room is not None:
            self._room.set()
        return taken

    async def drain(self) -> None:
        """Read to the end of the source and drop what comes."""
        while not self.exhausted:
            await self.take(None)

    async def aclose(self) -> None:
        """Stop reading and close the source."""
        self._alarm.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._past is not None:
            self._past = None
            await self._close()

    async def _taken_past(self, shortcut: Shortcut) -> list[Event] | None:
        """As its read, but nothing once the alarm rings: like `asyncio.timeout`, set but once."""
        task: Any = asyncio.current_task(self._loop)
        cancelled = task.cancelling()
        self._waits = task
        try:
            return await shortcut.read()
        except asyncio.CancelledError:
            if not self._rung:
                raise
            self._rung = False
            if task.uncancel() > cancelled:  # it was cancelled as well
                raise
            return []
        finally:
            self._waits = None

    async def _woken(self) -> None:
        """Wait until something has come, the source is exhausted, or the alarm rings."""
        wake = self._wake = self._wake or asyncio.Event()
        wake.clear()
        await wake.wait()

    def _awaken(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _ring(self) -> None:
        self._awaken()
        if self._waits is not None and not self._rung:
            self._rung = self._waits.cancel()

    async def _read(self) -> None:
        try:
            async for batch in self.source:
                self._ready.extend(batch)
                self._awaken()
                self._past = self.shortcut()
                if self._past is not None:
                    self._task = self._wake = None  # they would be kept as long as the answer takes
                    return
                while len(self._ready) > HIGH_WATER:
                    self._room = asyncio.Event()
                    await self._room.wait()
        except Exception as exc:  # noqa: BLE001  told to whoever takes
            self.failure = exc
        finally:
            if self._past is None:
                await self._close()

    async def _close(self) -> None:
        try:
            await self.source.aclose()
        except Exception as exc:  # noqa: BLE001  as above
            self.failure = exc
        finally:
            self.exhausted = True
            self._awaken()
            self._alarm.stop()
            self._alarm.rings = no_shortcut  # a reader that holds itself is not freed by itself
