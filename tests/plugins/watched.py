"""A store that is watched, and fails when a test wants it to."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gateway.errors import StoreError
from gateway.services import Lease, Store
from gateway.store.memory import MemoryStore


@attrs.define
class Watched:
    """
    A store that remembers what it was asked to do, and fails at what is `broken`.

    `restarted` is what a process that starts anew finds: the values, and empty queues.
    """

    inner: Store = attrs.field(factory=MemoryStore)
    queues: Store = attrs.field(factory=MemoryStore)
    done: list[str] = attrs.field(factory=list)
    broken: set[str] = attrs.field(factory=set)

    async def read(self, key: str) -> bytes | None:
        self._note("read")
        return await self.inner.read(key)

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        self._note("put")
        await self.inner.put(key, value, ttl=ttl)

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        self._note("put_if_absent")
        return await self.inner.put_if_absent(key, value, ttl=ttl)

    async def take(self, key: str) -> bytes | None:
        self._note("take")
        return await self.inner.take(key)

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        self._note("lease")
        return await self.queues.lease(name, wait=wait, queue=queue)

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        self._note("append")
        await self.inner.append(key, items, ttl=ttl, limit=limit)

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        self._note("read_from")
        return await self.inner.read_from(key, after, wait=wait)

    def restarted(self) -> Watched:
        return Watched(self.inner)

    def _note(self, operation: str) -> None:
        self.done.append(operation)
        if operation in self.broken:
            raise StoreError("The store does not answer.")
