"""A stream in pieces: numbered events, as they come and as they are kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import attrs

from gateway.errors import Reject
from gateway.events import Error, Event, Finish


@attrs.frozen
class Page:
    """
    Events that came together; `first` is the number of the first of them.

    One without events says only that the request has been prepared. `unmet` is the request's
    field that the answer does not meet; it is known before anything is shown. `refused` is why
    the request was not asked at all: then the only event says so.
    """

    first: int
    events: Sequence[Event]
    unmet: str = ""
    refused: Reject | None = None

    @property
    def last(self) -> int:
        """The number of its last event; of one without events, that of the event before."""
        return self.first + len(self.events) - 1

    @property
    def ending(self) -> Finish | Error | None:
        """How the stream ended, if it did so here."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, Finish | Error) else None

    def behind(self, number: int) -> Sequence[Event]:
        """Its events behind the one with this number."""
        return self.events[max(0, number + 1 - self.first) :]


@attrs.define(eq=False)
class Pages:
    """
    What a running stream has come to, for its readers in this process.

    The oldest pages go while all are larger than `limit` bytes.
    """

    limit: int
    last: int = attrs.field(init=False, default=0)
    _pages: deque[tuple[Page, int]] = attrs.field(init=False, factory=deque)
    _size: int = attrs.field(init=False, default=0)
    _taken: int = attrs.field(init=False, default=0)
    _waiting: set[asyncio.Future[None]] = attrs.field(init=False, factory=set)

    def add(self, page: Page, size: int) -> None:
        """It goes behind the others, and all who wait get it."""
        self._pages.append((page, size))
        self.last = page.last
        self._taken += 1
        self._size += size
        while self._size > self.limit and len(self._pages) > 1:
            self._size -= self._pages.popleft()[1]
        for waiting in self._waiting:
            _wake(waiting)

    async def more(self, taken: int, wait: float) -> tuple[int, Sequence[Page]]:
        """
        The pages after the first so many, or none after `wait` seconds; how many there were.

        Some may be missing: their numbers tell.
        """
        if taken >= self._taken and wait > 0:
            await self._change(wait)
        return self._taken, self._newest(self._taken - taken)

    async def _change(self, wait: float) -> None:
        """Wait for a page. A stream has many, so this is as cheap as it can be."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        timer = loop.call_later(wait, _wake, waiting)
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            timer.cancel()

    def _newest(self, count: int) -> Sequence[Page]:
        newest = zip(reversed(self._pages), range(count), strict=False)
        return [page for (page, _), _ in newest][::-1]


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def joined(pages: Sequence[Page]) -> tuple[int, list[Event]]:
    """
    The events of these pages, each once, and the number of the first.

    Where some are missing, it is those behind them.
    """
    first, events = 1, list[Event]()
    for page in pages:
        last = first + len(events) - 1
        if page.first > last + 1:
            first, events, last = page.first, [], page.first - 1
        events += page.behind(last)
    return first, events
