"""The ways in which the client's tools reach an agent: Letta's own, and proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal, Protocol, TypeAlias

import attrs

from gateway.events import Event, ToolArgsDelta
from gateway.plugin import Agent, Lease, Reject, Services, Tool
from plugins.calls.arguments import arguments_here
from plugins.calls.names import Names
from plugins.calls.proxies import Lender


Strategy: TypeAlias = Literal["auto", "client", "proxy"]

# The first version of Letta in which clients have tools of their own.
SINCE = (0, 16, 2)

# The client learns the end of its answer when the agent is as it was, or after so long.
LEAVE_SECONDS = 3.0


class Way(Protocol):
    """How one request's tools reach the agent."""

    @property
    def lends(self) -> bool:
        """Whether the agent gets them as tools of its own."""

    async def enter(self) -> None:
        """Before Letta is asked anything."""

    async def offer(self, tools: Sequence[Tool]) -> Names:
        """Offer the tools; what they are called at Letta."""

    def called(self, call_id: str, name: str) -> None:
        """A tool is called by the name that it has at the client's."""

    def argued(self, call_id: str, json: str) -> Iterable[Event]:
        """More of its arguments; what of them goes on."""

    def flush(self) -> Iterable[Event]:
        """What was held."""

    async def leave(self) -> None:
        """The request is over, however it ended. Doing so twice does nothing."""


@attrs.define
class ClientSide:
    """Letta is told with each request what the client can run."""

    services: Services
    agent: Agent
    lends: bool = False

    async def enter(self) -> None:
        """Nothing has to be waited for."""

    async def offer(self, tools: Sequence[Tool]) -> Names:
        """As they are, but for those that are called like the agent's own."""
        return Names.of(tools, await self.services.letta.tool_names(self.agent.id))

    def called(self, call_id: str, name: str) -> None:
        """Nothing has to be known of it."""

    def argued(self, call_id: str, json: str) -> Iterable[Event]:
        """As they come."""
        return (ToolArgsDelta(call_id, json),)

    def flush(self) -> Iterable[Event]:
        """Nothing is held."""
        return ()

    async def leave(self) -> None:
        """Nothing has to be put away."""


@attrs.define
class ByProxy:
    """
    The agent is lent proxies, and nobody else may ask it meanwhile: it would have them, too.

    Arguments are held until they are whole: Letta has some of its own among them.
    """

    lender: Lender
    agent: Agent
    lends: bool = True
    _tools: dict[str, Tool] = attrs.field(init=False, factory=dict)
    _calls: dict[str, Tool] = attrs.field(init=False, factory=dict)
    _arguments: dict[str, str] = attrs.field(init=False, factory=dict)
    _lease: Lease | None = attrs.field(init=False, default=None)

    async def enter(self) -> None:
        """Wait until no other request has the agent."""
        self._lease = await self.lender.hold(self.agent.id)
        await self.lender.recover(self.agent.id)

    async def offer(self, tools: Sequence[Tool]) -> Names:
        """Lend the agent a proxy for each."""
        self._tools = {tool.name: tool for tool in tools}
        return Names(await self.lender.lend(self.agent.id, tools))

    def called(self, call_id: str, name: str) -> None:
        """Remember whose arguments they are."""
        self._calls[call_id] = self._tools[name]
        self._arguments[call_id] = ""

    def argued(self, call_id: str, json: str) -> Iterable[Event]:
        """None, as yet."""
        self._arguments[call_id] += json
        return ()

    def flush(self) -> Iterable[Event]:
        """All of them."""
        for call_id, tool in self._calls.items():
            yield ToolArgsDelta(call_id, arguments_here(self._arguments[call_id], tool))

    async def leave(self) -> None:
        """Take the proxies back. Nobody else has the agent before that is done."""
        lease, self._lease = self._lease, None
        if lease is not None:
            done = asyncio.Event()
            self.lender.services.spawn(self._put_away(lease, done))
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await done.wait()

    async def _put_away(self, lease: Lease, done: asyncio.Event) -> None:
        try:
            if self._tools:
                await self.lender.take_back(self.agent.id)
        except Reject as exc:
            why, name = exc.message, self.agent.name
            self.lender.services.logger.warning("proxies are left with agent {}: {}", name, why)
        finally:
            await lease.release()
            done.set()


@attrs.define
class Ways:
    """Chooses a way by what the agent and the server can do, or as the operator says."""

    services: Services
    strategy: Strategy
    lender: Lender
    _client_tools: bool | None = attrs.field(init=False, default=None)

    async def choose(self, agent: Agent) -> Way | None:
        """The way for an agent's request; None if there is none."""
        if self.strategy == "client":
            return None if agent.older else ClientSide(self.services, agent)
        if self.strategy == "proxy" or agent.older or not await self._known():
            return ByProxy(self.lender, agent)
        return ClientSide(self.services, agent)

    async def _known(self) -> bool:
        """Whether the server knows clients' tools; asked until it says so once."""
        if self._client_tools is None:
            try:
                numbers = (await self.services.letta.version()).split(".")
            except Reject:
                return True
            said = tuple(int(number) for number in numbers if number.isdecimal())
            self._client_tools = not said or said >= SINCE
        return self._client_tools
