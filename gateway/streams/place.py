"""Where a stream is kept: its head, its log, and who writes and who reads it, under one name."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gateway.services import Lease, Store
from gateway.streams.kept import Head
from gateway.streams.pages import Page
from gateway.streams.roll import Roll
from gateway.streams.written import dump_head, load, load_head


_QUEUE = 1000
_LOOK = 0.1


@attrs.frozen
class Place:
    """
    A stream in the store. All raise `StoreError`.

    Its lease says that its writer lives: it ends with the process. It is taken before anything
    is stored, so that a stream without a lease is over, or its writer was killed.
    """

    store: Store
    name: str

    async def lease(self) -> Lease | None:
        """The writer's; nobody else has the name."""
        return await self.store.lease(self.name, wait=0, queue=0)

    async def is_written(self) -> bool:
        """Whether its writer lives."""
        # Another who looks has it for a moment.
        lease = await self.store.lease(self.name, wait=_LOOK, queue=_QUEUE)
        if lease is not None:
            await lease.release()
        return lease is None

    async def head(self) -> Head | None:
        """Its facts; None if there is no such stream."""
        stored = await self.store.read(self.name)
        return None if stored is None else load_head(stored)

    async def put_head(self, head: Head, ttl: float) -> None:
        """Keep its facts for so long from now on."""
        await self.store.put(self.name, dump_head(head), ttl=ttl)

    async def append(self, pages: Sequence[bytes], ttl: float, limit: int) -> None:
        """Log these, and keep the log for so long from now on."""
        await self.store.append(self.name, pages, ttl=ttl, limit=limit)

    async def pages(self, after: int, wait: float) -> tuple[int, Sequence[Page]]:
        """What is logged behind item number `after`, and the number of the last item."""
        found = await self.store.read_from(self.name, after, wait=wait)
        return (found[-1][0] if found else after), [load(item) for _, item in found]

    @property
    def readers(self) -> Roll:
        """Who reads it in other processes than the writer's."""
        return Roll(self.store, f"{self.name}/read")

    async def clear(self) -> None:
        """Delete all of it."""
        await self.store.take(self.name)
        await self.store.append(self.name, [], ttl=0, limit=1)
