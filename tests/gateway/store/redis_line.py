"""The line for one name in Redis, as tests form it, look at it and disturb it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs

from gateway.services import Lease
from gateway.store.redis import RedisStore
from gateway.store.redis_lease import Server
from gateway.store.redis_scripts import RENEW
from tests.gateway.store.redis_server import RedisServer, until


# Short, so that a test of a dead process does not take long.
LEASE_SECONDS = 1.0


@attrs.define
class Line:
    """The line for one name: what Redis has of it."""

    server: RedisServer

    async def has(self, length: int):
        await until(lambda: self.length() == length)

    def length(self) -> int:
        length = self.server.ask("LLEN", "letta-gateway:lane:lane")
        assert isinstance(length, int)
        return length

    async def joined(self, store: RedisStore) -> asyncio.Task[Lease | None]:
        """A task that has come to its place in the line."""
        length = self.length()
        task = asyncio.create_task(store.lease("lane", wait=60, queue=1000))
        await self.has(length + 1)
        return task

    def cut(self):
        """Every connection breaks."""
        self.server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def forget(self):
        """Redis loses what it knows of leases."""
        self.server.ask("DEL", "letta-gateway:lane:lane", "letta-gateway:beat:lane")


@attrs.define
class Late:
    """A way to Redis on which a script can be held back, as a network may do."""

    server: Server
    asked: asyncio.Event = attrs.field(factory=asyncio.Event)
    renewals: int = 0
    _held_back: str | None = None
    _go: asyncio.Event = attrs.field(factory=asyncio.Event)
    _tasks: list[asyncio.Task[Any]] = attrs.field(factory=list)

    def hold_back(self, script: str):
        """The next of these scripts is on its way until `let_go`."""
        self._held_back = script

    def let_go(self):
        self._go.set()

    async def finish(self):
        await asyncio.wait(self._tasks)

    async def run(self, script: str, keys: Sequence[bytes], args: Sequence[bytes | int]) -> Any:
        self._tasks.append(asyncio.create_task(self._run(script, keys, args)))
        return await asyncio.shield(self._tasks[-1])

    async def pop(self, key: bytes, *, wait: float) -> bytes | None:
        return await self.server.pop(key, wait=wait)

    async def _run(self, script: str, keys: Sequence[bytes], args: Sequence[bytes | int]) -> Any:
        if script == self._held_back:
            self._held_back = None
            self.asked.set()
            await self._go.wait()
        answer = await self.server.run(script, keys, args)
        self.renewals += script == RENEW
        return answer


async def holding(store: RedisStore) -> Lease:
    held = await store.lease("lane", wait=0, queue=0)
    assert held is not None
    return held


async def is_free(store: RedisStore) -> bool:
    held = await store.lease("lane", wait=0, queue=0)
    if held is not None:
        await held.release()
    return held is not None
