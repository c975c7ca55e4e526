"""Who reads a running stream, and what becomes of it when nobody does any more."""

from __future__ import annotations

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


@attrs.define(eq=False)
class Readers:
    """
    Counts those in this process, and looks for others in the store.

    When there has been none for `grace` seconds, `nobody` is called; never if that is None.
    """

    place: Place
    clock: Clock
    grace: float | None
    spawn: Spawn
    logger: Logger
    nobody: Callable[[], Awaitable[None]] = attrs.field(init=False)
    count: int = attrs.field(init=False, default=0)
    _timer: Cancellable | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)

    def open(self, nobody: Callable[[], Awaitable[None]]) -> None:
        """The stream begins; wait for its first reader."""
        self.nobody = nobody
        if self.grace is not None and not self.count:
            self._watch(max(self.grace, ENTERING_SECONDS))

    def enter(self) -> None:
        """A reader has come."""
        self.count += 1
        self._unwatch()

    def leave(self) -> None:
        """A reader has gone."""
        self.count -= 1
        if not self.count and self.grace is not None:
            self._watch(self.grace)

    def close(self) -> None:
        """The stream has ended."""
        self._closed = True
        self._unwatch()

    def _watch(self, seconds: float) -> None:
        self._unwatch()
        if not self._closed:
            self._timer = self.clock.call_at(self.clock.now() + seconds, self._expired)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        self.spawn(self._look())

    async def _look(self) -> None:
        """Nobody has read it here for a while. In other processes?"""
        grace = self.grace or 0.0
        elsewhere = await self._is_read_elsewhere()
        if self.count or self._closed:
            return
        if elsewhere:
            self._watch(max(1.0, grace / 4))
        else:
            self.logger.info("nobody has read a stream for {:g} s: cancelled", grace)
            await self.nobody()

    async def _is_read_elsewhere(self) -> bool:
        try:
            return await self.place.is_read()
        except StoreError:
            return False
