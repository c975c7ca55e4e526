"""Which agent a request means: the `model` field names it exactly, or the answer is 404.

There is no fallback to some other agent, and no guess at upper and lower case. Two agents of
one name are told apart by their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from difflib import get_close_matches
from typing import Literal, NoReturn

import attrs
from attrs.validators import ge

from gateway.events import PIECES, Error, Event
from gateway.plugin import Agent, Call, Context, Model, Plugin, Reject, Services, Turn


# A client that asks for an unknown model in a loop must not make a listing of each request.
MISS_SECONDS = 1.0

# How many times its age a list may have before a request waits for a new one: after a quiet
# night the names of yesterday could belong to other agents.
TOO_OLD = 2

SLEEPTIME = frozenset({"sleeptime_agent", "voice_sleeptime_agent"})


@attrs.frozen
class Config:
    """Settings of `agent_resolver`."""

    by: list[Literal["id", "name"]] = attrs.field(
        factory=lambda: ["id", "name"],
        metadata={"help": "what a model may be named by: id, name, or both"},
    )
    refresh_seconds: float = attrs.field(
        default=30.0,
        validator=ge(0),
        metadata={"help": "how often the list of agents is read; 0 reads it for each request"},
    )
    tags: list[str] = attrs.field(
        factory=list, metadata={"help": "serve only agents with one of these tags; all if empty"}
    )
    prefix: str = attrs.field(
        default="", metadata={"help": "put before every model's name, 'letta/' for example"}
    )
    include_hidden: bool = attrs.field(
        default=False, metadata={"help": "serve agents that are marked hidden at Letta"}
    )
    include_sleeptime: bool = attrs.field(
        default=False, metadata={"help": "serve the agents that tend others' memory"}
    )
    older_agents: Literal["steps", "tokens"] = attrs.field(
        default="steps",
        metadata={
            "help": "how memgpt and other older types stream: their tokens lose spaces at Letta"
        },
    )


@attrs.frozen
class Catalogue:
    """The agents that are served, by model name and by id."""

    models: Mapping[str, Agent]
    ids: Mapping[str, Agent]
    shared: Mapping[str, Sequence[str]]
    prefix: str = ""

    @classmethod
    def of(cls, agents: Sequence[Agent], config: Config) -> Catalogue:
        """Name each agent: by its name where that is unique and allowed, else by its id."""
        named: dict[str, list[Agent]] = {}
        for agent in agents:
            named.setdefault(agent.name, []).append(agent)
        by_name = "name" in config.by
        taken = {agent.id for agent in agents}  # a name may well look like another's id
        models: dict[str, Agent] = {}
        for agent in agents:
            unique = by_name and len(named[agent.name]) == 1 and agent.name not in taken
            models[config.prefix + (agent.name if unique else agent.id)] = agent
        shared = {
            config.prefix + name: [config.prefix + agent.id for agent in same if not agent.own]
            for name, same in named.items()
            if by_name and len(same) > 1
        }
        ids = {config.prefix + agent.id: agent for agent in agents} if "id" in config.by else {}
        return cls(models, ids, shared, config.prefix)

    def find(self, model: str) -> Agent | None:
        """The agent of this exact id or name."""
        return self.ids.get(model) or self.models.get(model)

    def listed(self) -> Sequence[Model]:
        """A model for each agent; its id is an alias where it may be asked for by that."""
        aliases: dict[str, tuple[str, ...]] = {agent.id: (i,) for i, agent in self.ids.items()}
        return [
            Model(name, agent, aliases.get(agent.id, ())) for name, agent in self.models.items()
        ]

    def refuse(self, model: str) -> NoReturn:
        """Say why there is no such model, and what there is instead."""
        if ids := ", ".join(self.shared.get(model, ())):
            text = f"Several agents are named '{model}'. Use one of the ids: {ids}."
        elif near := self._near(model):
            text = f"The model '{model}' does not exist. Did you mean: {', '.join(near)}?"
        else:
            text = f"The model '{model}' does not exist. GET /v1/models lists all there are."
        raise Reject(404, "model_not_found", text, param="model", retry=False)

    def _near(self, model: str) -> Sequence[str]:
        """Those that differ in upper and lower case or the prefix alone; else names like it."""
        folded: dict[str, list[str]] = {}
        for name, agent in self.models.items():
            if not agent.own:
                folded.setdefault(self._bare(name), []).append(name)
        wanted = self._bare(model)
        close = [wanted] if wanted in folded else get_close_matches(wanted, folded, n=3)
        return [name for each in close for name in folded[each]]

    def _bare(self, model: str) -> str:
        return model.removeprefix(self.prefix).casefold()


class AgentResolver(Plugin[Config]):
    """Finds the Letta agent that `model` names, and lists agents as models."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._catalogue: Catalogue | None = None
        self._read_at = 0.0
        self._checked_at = float("-inf")
        self._reading: asyncio.Future[None] | None = None
        self._services: Services
        self._closed = False

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        self._services = services
        if self.config.refresh_seconds:
            services.clock.call_at(services.clock.now(), self._refresh)
        try:
            yield
        finally:
            self._closed = True

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        catalogue = await self._known(at_most=1.0)
        return [*found, *catalogue.listed()]

    def begin(self, context: Context) -> Turn:
        return AgentTurn(self)

    async def find(self, model: str) -> Agent:
        """
        The agent that `model` names.

        Raises:
            Reject: There is none, or several.
        """
        agent = (await self._known(at_most=self.config.refresh_seconds)).find(model)
        if agent is not None:
            return agent
        catalogue = await self._since(self._now() - MISS_SECONDS)
        return catalogue.find(model) or await self._newer(model) or catalogue.refuse(model)

    def forget(self, agent: Agent) -> None:
        """Letta knows this agent no more: the next request waits for a new list."""
        if self._catalogue is not None and agent in self._catalogue.models.values():
            self._catalogue = None

    async def check(self, agent: Agent) -> None:
        """Look whether the agent is still there."""
        if self._now() - self._checked_at < MISS_SECONDS:
            return
        self._checked_at = self._now()
        if await self._services.letta.agent(agent.id) is None:
            self.forget(agent)

    async def _known(self, at_most: float) -> Catalogue:
        """The catalogue; one that is a little too old serves while it is read anew behind it."""
        oldest = self._now() - at_most
        if self._catalogue is None:
            return await self._since(oldest)
        if self._now() - self._read_at > TOO_OLD * at_most:
            with suppress(Reject):  # better an old one than none
                return await self._since(oldest)
        elif self._read_at < oldest:
            self._read()
        return self._catalogue

    async def _since(self, when: float) -> Catalogue:
        """The catalogue as it was at `when` or later."""
        while self._catalogue is None or self._read_at < when:
            # Whoever leaves does not take the listing along: others wait for it, too.
            await asyncio.shield(self._read())
        return self._catalogue

    def _refresh(self) -> None:
        """Read the list now and again, so that requests need not wait for it."""
        if not self._closed:
            seconds = max(self.config.refresh_seconds, MISS_SECONDS)
            self._services.clock.call_at(self._now() + seconds, self._refresh)
            self._read()

    def _read(self) -> asyncio.Future[None]:
        """The one listing that is under way; it is started if there is none."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_future()
            self._services.spawn(self._list(self._reading))
        return self._reading

    async def _list(self, done: asyncio.Future[None]) -> None:
        started = self._now()
        try:
            agents = await self._services.letta.agents(tags=self.config.tags)
            served = [agent for agent in agents if self._serves(agent)]
            self._catalogue, self._read_at = Catalogue.of(served, self.config), started
            done.set_result(None)
        except Exception as exc:  # noqa: BLE001  whoever waits is told
            # Without a list, whoever waits for one says so.
            level = "DEBUG" if self._catalogue is None else "WARNING"
            self._services.logger.log(level, "the list of agents could not be read: {}", exc)
            done.set_exception(exc)
            done.exception()  # and if nobody waits, the log says it
        finally:
            self._reading = None
            done.cancel()

    async def _newer(self, model: str) -> Agent | None:
        """An agent that was made after the list was read, asked for by its id."""
        prefix = self.config.prefix
        if "id" not in self.config.by or not model.startswith(f"{prefix}agent-"):
            return None
        agent = await self._services.letta.agent(model.removeprefix(prefix))
        wanted = not self.config.tags or (agent and set(agent.tags) & set(self.config.tags))
        return agent if agent and wanted and self._serves(agent) else None

    def _serves(self, agent: Agent) -> bool:
        if agent.hidden and not self.config.include_hidden:
            return False
        return agent.type not in SLEEPTIME or self.config.include_sleeptime

    def _now(self) -> float:
        return self._services.clock.now()


@attrs.define
class AgentTurn(Turn):
    """Finds the agent of one request."""

    plugin: AgentResolver
    _agent: Agent | None = None
    _asked: bool = False

    async def prepare(self, call: Call) -> Call:
        agent = self._agent = await self.plugin.find(call.model)
        streaming = self.plugin.config.older_agents if agent.older else "tokens"
        return attrs.evolve(call, agent=agent, streaming=streaming)

    def feed(self, event: Event) -> Iterable[Event]:
        self._asked, self.passes = True, PIECES  # these tell nothing more
        if isinstance(event, Error) and event.code == "model_not_found" and self._agent:
            self.plugin.forget(self._agent)
        return (event,)

    async def abandon(self) -> None:
        # A request that was refused below may have been so because its agent is gone.
        if self._agent is not None and not self._asked:
            with suppress(Reject):
                await self.plugin.check(self._agent)
