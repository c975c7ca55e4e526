"""Who waits in this process for a log to grow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import attrs


T = TypeVar("T")


@attrs.define
class News:
    """Wakes those who wait for news of a key; a key that nobody waits for takes no memory."""

    _waiting: dict[str, set[asyncio.Event]] = attrs.field(factory=dict, init=False)

    def tell(self, key: str) -> None:
        """There is something new: wake all who wait for this key."""
        for event in self._waiting.get(key, ()):
            event.set()

    async def of(
        self, key: str, read: Callable[[], Awaitable[Sequence[T]]], *, wait: float
    ) -> Sequence[T]:
        """What `read` gives as soon as it gives anything, or nothing after `wait` seconds."""
        time = asyncio.get_running_loop().time
        until = time() + wait
        with self._watching(key) as event:
            while True:
                event.clear()  # before it is read: what comes while it is read counts as new
                found = await read()
                if found or (left := until - time()) <= 0:
                    return found
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await event.wait()

    @contextmanager
    def _watching(self, key: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]
