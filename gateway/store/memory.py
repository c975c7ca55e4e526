"""The store that forgets everything when the process ends."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import attrs

from gateway.services import Lease
from gateway.store.leases import Leases
from gateway.store.logs import Logs
from gateway.store.news import News


@attrs.frozen
class Entry:
    """A value, and when it stops being there."""

    value: bytes
    expires: float


@attrs.define
class MemoryStore:
    """
    Values in this process only: nothing to set up, nothing survives a restart.

    It grows with what has not expired. Every write also looks at two entries in turn and
    drops those that have expired, so what is dead never outweighs what is alive for long.
    """

    _now: Callable[[], float] = time.time
    _leases: Leases = attrs.field(factory=Leases, init=False)
    _entries: OrderedDict[str, Entry] = attrs.field(factory=OrderedDict, init=False)
    _logs: Logs = attrs.field(init=False, repr=False)
    _news: News = attrs.field(factory=News, init=False)

    def __attrs_post_init__(self) -> None:
        self._logs = Logs(self._now)

    async def read(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._alive(self._entries.get(key))

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Set the value, whatever was there."""
        self._entries[key] = Entry(value, self._now() + ttl)
        self._sweep()

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Set the value if there is none; say whether it was set."""
        if self._alive(self._entries.get(key)) is not None:
            return False
        await self.put(key, value, ttl=ttl)
        return True

    async def take(self, key: str) -> bytes | None:
        """Read the value and delete it."""
        return self._alive(self._entries.pop(key, None))

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        """Hold `name` until released: first come, first served."""
        return await self._leases.lease(name, wait=wait, queue=queue)

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        """Add to the end of a log."""
        self._logs.append(key, items, ttl=ttl, limit=limit)
        self._news.tell(key)

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        """The items of a log behind number `after`; if there are none, wait for one."""

        async def read() -> Sequence[tuple[int, bytes]]:
            return self._logs.since(key, after)

        return await self._news.of(key, read, wait=wait)

    async def ping(self) -> None:
        """Memory always answers."""

    def _alive(self, entry: Entry | None) -> bytes | None:
        return entry.value if entry and entry.expires > self._now() else None

    def _sweep(self) -> None:
        # Two for each write, one of which may be new: the round gets to every entry.
        for _ in range(min(2, len(self._entries))):
            key, entry = self._entries.popitem(last=False)
            if self._alive(entry) is not None:
                self._entries[key] = entry
