"""Reading a stream's pages: in the process that writes them, or in any other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import attrs

from gateway.streams.journal import Journal
from gateway.streams.kept import Head
from gateway.streams.pages import Page
from gateway.streams.place import Place


# Who waits for longer looks whether the stream is written at all any more.
LOOK_SECONDS = 5.0


class Lost(Exception):
    """Nothing will come any more, and there was no ending."""


class Reader(Protocol):
    """One reader's place in a stream."""

    @property
    def head(self) -> Head:
        """The stream's facts, as they are known by now."""

    async def more(self, wait: float) -> Sequence[Page]:
        """
        The pages that have come since, or none after `wait` seconds.

        Raises:
            Lost: Nothing will come any more.
            StoreError: The store does not answer.
        """

    def leave(self) -> None:
        """It reads no more."""


@attrs.define
class Here:
    """Reads what this process writes, from memory."""

    _journal: Journal
    _taken: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._journal.readers.enter()

    @property
    def head(self) -> Head:
        """The stream's facts, as they are known by now."""
        return self._journal.head

    async def more(self, wait: float) -> Sequence[Page]:
        """The pages that have come since, or none after `wait` seconds."""
        self._taken, pages = await self._journal.pages.more(self._taken, wait)
        return pages

    def leave(self) -> None:
        """It reads no more."""
        self._journal.readers.leave()


@attrs.define
class Elsewhere:
    """
    Reads the log of what another process writes, or of what is written no more.

    To the writer it shows that it is there for `grace` seconds more, so that the stream is not
    given up.
    """

    _place: Place
    head: Head
    _grace: float
    _item: int = attrs.field(init=False, default=0)
    _shown: float | None = attrs.field(init=False, default=None)
    _looked: float | None = attrs.field(init=False, default=None)
    _written: bool = attrs.field(init=False, default=True)

    async def more(self, wait: float) -> Sequence[Page]:
        """The pages that have come since, or none after `wait` seconds."""
        time = asyncio.get_running_loop().time
        until = time() + wait
        pages = await self._read(0)
        while not pages:
            if not await self._is_written():
                pages = await self._read(0)
                if not pages:
                    raise Lost
                break
            left = max(0.0, until - time())
            if left:
                await self._show()
            pages = await self._read(min(left, LOOK_SECONDS))
            if left <= LOOK_SECONDS:
                break
        return pages

    def leave(self) -> None:
        """The writer will see that nobody has shown himself for a while."""

    async def _read(self, wait: float) -> Sequence[Page]:
        self._item, pages = await self._place.pages(self._item, wait)
        if pages and not self.head.prepared:
            self.head = await self._place.head() or self.head
        return pages

    async def _is_written(self) -> bool:
        """Whether its writer lives, or did a moment ago."""
        now = asyncio.get_running_loop().time()
        if self._written and (self._looked is None or now - self._looked >= LOOK_SECONDS):
            self._looked = now
            self._written = await self._place.is_written()
        return self._written

    async def _show(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._shown is None or now - self._shown > self._grace / 3:
            self._shown = now
            await self._place.show_reader(max(self._grace, 2 * LOOK_SECONDS))
