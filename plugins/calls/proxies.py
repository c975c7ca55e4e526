"""Proxies of the client's tools at Letta, where the agent or the server knows no better.

A proxy is a tool of the agent's own for the time of a request, and waits for approval: what
the client's tool gave back is the answer to that. Proxies are named for what they stand for,
so that the next request uses them again, and for the store that this gateway has: another
gateway's are not touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs

from gateway.plugin import Lease, Reject, Services, Tool
from plugins.calls.arguments import schema_there
from plugins.calls.names import LONGEST


FOR_GOOD = 10 * 365 * 86400.0
AT_ONCE = 8

# How long a proxy is taken to exist, and to be known to be in use, without Letta being told.
FRESH_SECONDS = 600.0

# When proxies were deleted last, and for how long whoever does it is believed to be at it.
DELETING = "proxies/deleting"
UNDER_WAY = b"under way"
LONGEST_SECONDS = 60.0
LOOK_SECONDS = 0.1
LOOKS = 50
TRIES = 3

_PROXY = re.compile(r"__[0-9a-f]{8}(?P<owner>[0-9a-f]{6})\Z")


def proxy_of(tool: Tool, owner: str) -> Tool:
    """The proxy of a tool: another one if anything about the tool is another."""
    told = json.dumps([tool.name, tool.description, tool.parameters], sort_keys=True)
    ending = f"__{hashlib.sha256(told.encode()).hexdigest()[:8]}{owner}"
    name = tool.name[: LONGEST - len(ending)] + ending
    return attrs.evolve(tool, name=name, parameters=schema_there(tool))


def owner_of(name: str) -> str:
    """Whose proxy has this name; empty if it is none."""
    found = _PROXY.search(name)
    return found["owner"] if found else ""


@attrs.define
class Lender:
    """
    The proxies of this gateway. Agents are lent them, one request of an agent at a time.

    `wait` and `queue` bound the waiting for an agent, as those of `Store.lease` do.
    """

    services: Services
    wait: float
    queue: int
    _made: dict[str, tuple[str, float]] = attrs.field(init=False, factory=dict)
    _kept: set[str] = attrs.field(init=False, factory=set)
    _owner: str = attrs.field(init=False, default="")

    @property
    def idle(self) -> bool:
        """Whether it has not made any."""
        return not self._made

    async def owner(self) -> str:
        """The mark of all who share this store."""
        if not self._owner:
            store = self.services.store
            await store.put_if_absent("proxies/owner", secrets.token_hex(3).encode(), ttl=FOR_GOOD)
            self._owner = (await store.read("proxies/owner") or b"").decode()
        return self._owner

    async def hold(self, agent_id: str) -> Lease:
        """
        Have an agent to oneself.

        Raises:
            Reject: It took too long, or too many wait already.
        """
        lease = await self.held(agent_id, wait=self.wait, queue=self.queue)
        if lease is None:
            text = "This agent is busy with other requests. Try again when they are done."
            raise Reject(409, "conversation_busy", text, retry=False)
        return lease

    async def recover(self, agent_id: str) -> None:
        """Take back from an agent that is held what could not be taken back before."""
        if agent_id in self._kept:
            await self.take_back(agent_id)

    async def held(self, agent_id: str, *, wait: float = 0.0, queue: int = 0) -> Lease | None:
        """The same, or None."""
        return await self.services.store.lease(f"proxies/{agent_id}", wait=wait, queue=queue)

    async def lend(self, agent_id: str, tools: Sequence[Tool]) -> Mapping[str, str]:
        """Let an agent that is held have proxies of these tools; their names, by the tools'."""
        owner = await self.owner()
        proxies = {tool.name: proxy_of(tool, owner) for tool in tools}
        self._kept.add(agent_id)
        for _ in range(TRIES):
            before = await self._last_deletion()
            await self._attach(agent_id, proxies, owner)
            if before == await self.services.store.read(DELETING):
                break  # else some may have been deleted again
        return {name: proxy.name for name, proxy in proxies.items()}

    async def take_back(self, agent_id: str) -> None:
        """Leave an agent that is held with its own tools."""
        await self.return_to(agent_id, await self.owner())
        self._kept.discard(agent_id)

    async def return_to(self, agent_id: str, owner: str) -> None:
        """Leave an agent without the proxies of this owner."""
        await self.services.letta.proxies.lend(agent_id, {}, ending=owner)

    @asynccontextmanager
    async def deleting(self) -> AsyncIterator[bool]:
        """Whether proxies may be deleted. Who lends some meanwhile looks for them once more."""
        store = self.services.store
        lease = await store.lease(DELETING, wait=0.0, queue=0)
        if lease is None:
            yield False
            return
        try:
            await store.put(DELETING, UNDER_WAY, ttl=LONGEST_SECONDS)
            try:
                yield True
            finally:
                await store.put(DELETING, secrets.token_hex(6).encode(), ttl=FOR_GOOD)
        finally:
            await lease.release()

    async def _last_deletion(self) -> bytes | None:
        """Which it was, once it is over."""
        for _ in range(LOOKS):
            if (last := await self.services.store.read(DELETING)) != UNDER_WAY:
                return last
            await asyncio.sleep(LOOK_SECONDS)
        return UNDER_WAY

    async def _attach(self, agent_id: str, proxies: Mapping[str, Tool], owner: str) -> None:
        lend = self.services.letta.proxies.lend
        if gone := await lend(agent_id, await self._ids(proxies), ending=owner):
            for name in gone:
                self._made.pop(name, None)
            await lend(agent_id, await self._ids(proxies), ending=owner)

    async def _ids(self, proxies: Mapping[str, Tool]) -> Mapping[str, str]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(proxy: Tool) -> tuple[str, str]:
            async with gate:
                return proxy.name, await self._id(proxy)

        return dict(await asyncio.gather(*map(one, proxies.values())))

    async def _id(self, proxy: Tool) -> str:
        now = self.services.clock.now()
        proxy_id, since = self._made.get(proxy.name, ("", now))
        if not proxy_id or now - since > FRESH_SECONDS:
            proxy_id = await self.services.letta.proxies.make(proxy)
            self._made[proxy.name] = (proxy_id, now)
        return proxy_id
