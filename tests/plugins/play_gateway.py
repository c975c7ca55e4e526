"""Gateways that play over one store, each of them mortal: what a dead one did stays done.

A gateway may die between any two operations of its store, and after any event that it has
read. From then on it does nothing more, neither at Letta nor in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Literal, TypeAlias

import attrs
import loguru

from gateway.call import Call
from gateway.errors import Reject, StoreError
from gateway.letta.client import LettaAPI, connect
from gateway.letta.tools import ProxyTools
from gateway.pipeline import Pipeline, Step
from gateway.pipeline.exchange import Exchange
from gateway.plugin import Context
from gateway.services import Caller, Lease, LoopClock, Services
from gateway.store.memory import MemoryStore
from plugins import agent_resolver, conversation_resolver, tool_bridge


Mode: TypeAlias = Literal["stateless", "agent", "default"]
Strategy: TypeAlias = Literal["auto", "proxy"]


@attrs.define
class Life:
    """How long a gateway has to live: so many operations of its store, or for ever."""

    left: int | None = None
    ended: asyncio.Event = attrs.field(factory=asyncio.Event)
    buried: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def spend(self) -> None:
        """
        One operation more. A dead one waits until it is buried.

        Raises:
            StoreError: It is.
        """
        if self.left == 0:
            self.ended.set()
        if self.left is not None:
            self.left -= 1
        if self.ended.is_set():
            await self.buried.wait()
            raise StoreError("This gateway is dead.")


@attrs.define
class Mortal:
    """One gateway's way to the store that all share; its leases end with it."""

    inner: MemoryStore
    life: Life
    held: list[Lease] = attrs.field(factory=list)

    async def read(self, key: str) -> bytes | None:
        await self.life.spend()
        return await self.inner.read(key)

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        await self.life.spend()
        await self.inner.put(key, value, ttl=ttl)

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        await self.life.spend()
        return await self.inner.put_if_absent(key, value, ttl=ttl)

    async def take(self, key: str) -> bytes | None:
        await self.life.spend()
        return await self.inner.take(key)

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        await self.life.spend()
        lease = await self.inner.lease(name, wait=wait, queue=queue)
        if lease is not None:
            self.held.append(lease)
        return lease

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        await self.life.spend()
        await self.inner.append(key, items, ttl=ttl, limit=limit)

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        await self.life.spend()
        return await self.inner.read_from(key, after, wait=wait)


@attrs.frozen
class MortalAPI(LettaAPI):
    """Letta, but a conversation that is to be deleted is first looked at."""

    doomed: list[str] = attrs.field(factory=list, kw_only=True)
    life: Life = attrs.field(kw_only=True)

    async def delete_conversation(self, conversation_id: str) -> None:
        self.doomed.append(conversation_id)

    @property
    def proxies(self) -> ProxyTools:
        if self.life.ended.is_set():
            raise Reject(503, "dead", "This gateway is dead.")
        return super().proxies


@attrs.define(eq=False)
class Gateway:
    """A gateway in this process."""

    api: MortalAPI
    services: Services
    life: Life
    _store: Mortal
    _pipeline: Pipeline
    _stack: AsyncExitStack
    _tasks: set[asyncio.Task[None]]

    @classmethod
    async def start(cls, url: str, shared: MemoryStore, mode: Mode, strategy: Strategy) -> Gateway:
        """Start one over what the store remembers."""
        stack, life, tasks = AsyncExitStack(), Life(), set[asyncio.Task[None]]()

        def spawn(work: Coroutine[Any, Any, None]) -> None:
            if life.ended.is_set():
                work.close()
                return
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        api = await stack.enter_async_context(connected(url))
        own = MortalAPI(api.client, api.reading, api.read_seconds, api.logger, life=life)
        store = Mortal(shared, life)
        services = Services(own, store, LoopClock(), loguru.logger, spawn)
        pipeline = Pipeline(_steps(mode, strategy), own, spawn, loguru.logger)
        await stack.enter_async_context(pipeline.lifespan([services] * len(pipeline.steps)))
        return cls(own, services, life, store, pipeline, stack, tasks)

    async def begin(self, call: Call, caller: str) -> Exchange:
        """Prepare a request."""
        return await self._pipeline.begin(
            call, Context("play", LoopClock(), Caller(caller, caller))
        )

    @property
    def busy(self) -> set[asyncio.Task[None]]:
        """What goes on behind the clients' backs."""
        return set(self._tasks)

    async def stop(self) -> None:
        """As one stops a gateway when nothing goes on in it."""
        await self._stack.aclose()

    async def kill(self, *asking: asyncio.Task[Any]) -> None:
        """It does nothing more from now on; `asking` are requests that it is at."""
        self.life.ended.set()
        self.life.buried.set()
        for task in self.busy:
            task.cancel()
        await asyncio.gather(*self.busy, *asking, return_exceptions=True)
        for lease in self._store.held:
            await lease.release()
        with suppress(StoreError):
            await self._stack.aclose()


def connected(url: str) -> Any:
    """The gateway's client of Letta."""
    return connect(
        url, "", connect_seconds=5, read_seconds=60, max_connections=50, logger=loguru.logger
    )


def _steps(mode: Mode, strategy: Strategy) -> list[Step]:
    conversations = conversation_resolver.Config(
        mode="stateless" if mode == "stateless" else "agent",
        agent_conversation="default" if mode == "default" else "own",
    )
    plugins: list[Any] = [
        agent_resolver.AgentResolver(agent_resolver.Config()),
        conversation_resolver.ConversationResolver(conversations),
        tool_bridge.ToolBridge(tool_bridge.Config(strategy=strategy)),
    ]
    return [Step(f"step-{i}", plugin, bypass=False) for i, plugin in enumerate(plugins)]
