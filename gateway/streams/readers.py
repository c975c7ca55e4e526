"""Who reads a running stream, and what becomes of it when nobody does any more."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from gateway.errors import StoreError
from gateway.services import Cancellable, Clock, Spawn
from gateway.streams.place import Place


if TYPE_CHECKING:
    from loguru import Logger

# Whoever began a stream is its first reader, in a moment.
ENTERING_SECONDS = 5.0

# That a client has gone may be seen after what it says next: so long it may take. Its connection
# may as well have been cut with both on it: so long it has to come back.
LEAVING_SECONDS = 3.0


@attrs.define(eq=False)
class Readers:
    """
    Counts those in this process, and looks for others in the store. While that does not answer,
    for `grace` seconds, there may be some.

    When there has been none for `grace` seconds, `nobody` is called; never if that is None.
    It is told whether another request waits for the stream's end: then it is called at once.
    """

    place: Place
    clock: Clock
    grace: float | None
    spawn: Spawn
    logger: Logger
    nobody: Callable[[bool], Awaitable[None]] = attrs.field(init=False)
    count: int = attrs.field(init=False, default=0)
    _come: bool = attrs.field(init=False, default=False)
    _awaited: float = attrs.field(init=False, default=-math.inf)
    _in_the_way: bool = attrs.field(init=False, default=False)
    _seen: float = attrs.field(init=False, default=-math.inf)
    _unanswered: float = attrs.field(init=False, default=math.inf)
    _timer: Cancellable | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)

    def open(self, nobody: Callable[[bool], Awaitable[None]]) -> None:
        """The stream begins; wait for its first reader."""
        self.nobody = nobody
        if self.grace is not None and not self.count:
            self._watch(max(self.grace, ENTERING_SECONDS))

    def enter(self) -> None:
        """A reader has come."""
        self._come, self._in_the_way = True, False
        self.count += 1
        self._unwatch()

    def leave(self) -> None:
        """A reader has gone."""
        self.count -= 1
        if not self.count and self.grace is not None:
            self._in_the_way = self.clock.now() < self._awaited + LEAVING_SECONDS
            self._watch(min(LEAVING_SECONDS, self.grace) if self._in_the_way else self.grace)

    def make_way(self) -> None:
        """Somebody waits for the end of the stream: who does not read it now is nobody."""
        if self.grace is None:
            return
        self._awaited = self.clock.now()
        if not self.count:
            self._in_the_way = True
            self._watch(0.0 if self._come else ENTERING_SECONDS)

    def close(self) -> None:
        """The stream has ended."""
        self._closed = True
        self._unwatch()

    def _watch(self, seconds: float) -> None:
        self._unwatch()
        if self._closed:
            return
        if seconds > 0:
            self._timer = self.clock.call_at(self.clock.now() + seconds, self._expired)
        else:
            self._expired()

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        self.spawn(self._look())

    async def _look(self) -> None:
        """Nobody reads it here, perhaps for a while. In other processes?"""
        grace, awaited = self.grace or 0.0, self._in_the_way
        elsewhere = await self._is_read_elsewhere()
        if self.count or self._closed:
            return
        now = self.clock.now()
        if elsewhere:
            self._seen = now
            self._watch(1.0 if awaited else max(1.0, grace / 4))
        elif awaited or now >= self._seen + grace:
            self.logger.info("nobody reads a stream any more: cancelled")
            await self.nobody(awaited)
        else:
            self._watch(self._seen + grace - now)

    async def _is_read_elsewhere(self) -> bool:
        try:
            there = await self.place.readers.there()
        except StoreError:
            # Who reads there cannot do so now either, and comes back when it answers.
            now = self.clock.now()
            self._unanswered = min(self._unanswered, now)
            return now < self._unanswered + (self.grace or 0.0)
        self._unanswered = math.inf
        return bool(there)
