"""Reading a stream's pages: in the process that writes them, or in any other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import attrs

from gateway.errors import StoreError
from gateway.services import Spawn
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
    """Reads what this process writes, from memory; who only `watches` is no reader to it."""

    _journal: Journal
    _watches: bool = False
    _taken: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if not self._watches:
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
        if not self._watches:
            self._journal.readers.leave()


@attrs.define
class Elsewhere:
    """
    Reads the log of what another process writes, or of what is written no more.

    To the writer it shows now and then that it is there, so that the stream is not given up
    when nobody has read it for `grace` seconds; who only `watches` does not.
    """

    _place: Place
    head: Head
    _grace: float
    _spawn: Spawn
    _watches: bool = False
    _name: str = attrs.field(init=False, factory=lambda: secrets.token_hex(4))
    _item: int = attrs.field(init=False, default=0)
    _shown: float | None = attrs.field(init=False, default=None)
    _looked: float | None = attrs.field(init=False, default=None)
    _written: bool = attrs.field(init=False, default=True)

    async def more(self, wait: float) -> Sequence[Page]:
        """The pages that have come since, or none after `wait` seconds."""
        time = asyncio.get_running_loop().time
        until = time() + wait
        pages = await self._read(0)
        if wait > 0 and not (pages and pages[-1].ending):
            await self._show()
        while not pages:
            if not await self._is_written():
                pages = await self._read(0)
                if not pages:
                    raise Lost
                break
            left = max(0.0, until - time())
            pages = await self._read(min(left, LOOK_SECONDS))
            if left <= LOOK_SECONDS:
                break
            if not pages:
                await self._show()
        return pages

    def leave(self) -> None:
        """It reads no more; who is killed has not shown itself for a while."""
        if self._shown is not None:
            self._spawn(self._gone())

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
        if not self._watches and (self._shown is None or now - self._shown > self._grace / 3):
            self._shown = now
            await self._place.readers.come(self._name, self._ttl)

    async def _gone(self) -> None:
        with suppress(StoreError):
            await self._place.readers.go(self._name, self._ttl)

    @property
    def _ttl(self) -> float:
        return max(self._grace / 2, 2 * LOOK_SECONDS)
