"""Writing a stream down behind the backs of those who read it: none of them waits for that."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from gateway.errors import StoreError
from gateway.streams.place import Place


if TYPE_CHECKING:
    from loguru import Logger

# Writes of a stream are at least so far apart, in seconds: what comes meanwhile goes out together.
GATHER_SECONDS = 0.02

# How often, and with which pauses in seconds, the end of a stream is tried again: long enough for
# a store to be started anew, since without its end an answer is lost to all who come later.
PAUSES = (0.2, 1.0, 3.0, 8.0, 8.0, 8.0)


@attrs.define(eq=False)
class Writer:
    """
    Logs a stream's pages: what comes soon after a write, or while it is on its way, gathers.

    `keep` stores the facts about the stream; they are stored before the pages that follow.
    A write that fails is tried again with the next one. It may have happened all the same, so
    a log can have the same page twice: their numbers tell. `limit` bytes wait at most.
    """

    place: Place
    ttl: float
    limit: int
    keep: Callable[[], Awaitable[None]]
    logger: Logger
    _items: deque[bytes] = attrs.field(init=False, factory=deque)
    _size: int = attrs.field(init=False, default=0)
    _stale: bool = attrs.field(init=False, default=False)
    _failing: bool = attrs.field(init=False, default=False)
    _writing: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _timer: asyncio.TimerHandle | None = attrs.field(init=False, default=None)
    _next: float = attrs.field(init=False, default=0.0)

    def add(self, item: bytes) -> None:
        """Write a page."""
        self._items.append(item)
        self._size += len(item)
        while self._size > self.limit and len(self._items) > 1:
            self._drop(1)
        self._wake()

    def refresh(self) -> None:
        """Store the facts anew, and let the log live on from now."""
        self._stale = True
        self._wake()

    async def flush(self) -> bool:
        """Wait until all is written, or cannot be; whether it is."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if self._behind:
            await asyncio.wait({self._start()})
        return not self._behind

    async def close(self) -> None:
        """The stream is over: try for half a minute to write what is not written yet."""
        for pause in PAUSES:
            if await self.flush():
                return
            await asyncio.sleep(pause)
        if not await self.flush():
            self.logger.warning("the end of a stream was not logged")

    @property
    def _behind(self) -> bool:
        return self._stale or bool(self._items)

    def _wake(self) -> None:
        """Write soon, unless that is going to happen anyway."""
        if self._timer is None and (self._writing is None or self._writing.done()):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._next, self._start)

    def _start(self) -> asyncio.Task[None]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next = asyncio.get_running_loop().time() + GATHER_SECONDS
        self._writing = asyncio.create_task(self._write())
        return self._writing

    async def _write(self) -> None:
        items, stale = tuple(self._items), self._stale
        self._stale = False
        try:
            if stale:
                await self.keep()
            await self.place.append(items, self.ttl, self.limit)
        except StoreError as exc:
            self._stale = self._stale or stale
            if not self._failing:
                self.logger.warning("a stream cannot be logged: {}", exc)
            self._failing = True
            return
        self._failing = False
        self._written(items)
        if self._behind:
            self._timer = asyncio.get_running_loop().call_at(self._next, self._start)

    def _written(self, items: tuple[bytes, ...]) -> None:
        """Drop them; some may have been dropped meanwhile, because too many waited."""
        for item in items:
            if self._items and self._items[0] is item:
                self._drop(1)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._size -= len(self._items.popleft())
