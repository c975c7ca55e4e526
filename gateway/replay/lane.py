"""The pipeline of a replay: the real one, over a Letta that plays a recording.

The plugins are opened and asked as in a gateway. What they ask of Letta is answered by a
make-believe server; the stream itself is the recording, read by the client that always reads
it. Between any two steps stands a probe, a plugin itself, so that nothing else is different.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from gateway.background import Background
from gateway.call import Agent
from gateway.config.steps import StepSettings
from gateway.errors import Reject, StartError
from gateway.events import ENDINGS, Error
from gateway.json_text import dumps
from gateway.letta.client import LettaAPI, connect
from gateway.letta.played import PlayedLetta, playing
from gateway.pipeline import Pipeline, Step
from gateway.pipeline.exchange import Exchange
from gateway.plugin import Context, Services
from gateway.replay.recording import Recording
from gateway.replay.request import call_of
from gateway.replay.rows import Probe, Rows
from gateway.services import LoopClock, Spawn
from gateway.store import OpenStore, Prefixed, open_store
from gateway.surfaces import openai_errors
from gateway.surfaces.chat_chunks import Chunks
from gateway.testing.fakeletta import FakeLetta
from gateway.testing.kit import ManualClock


if TYPE_CHECKING:
    from loguru import Logger

# So often everybody else has a turn before Letta's next event comes, for each step once more.
TURNS = 12


@attrs.frozen
class Base:
    """What all pipelines of a replay stand on: no Letta but this one."""

    chosen: Sequence[StepSettings]
    recording: Recording
    agent: Agent
    api: LettaAPI
    logger: Logger

    def services(self, step: Step, store: OpenStore, spawn: Spawn) -> Services:
        """What a step is given."""
        logger = self.logger.bind(plugin=step.id)
        return Services(self.api, Prefixed(store, step.id), LoopClock(), logger, spawn)

    def steps(self) -> Sequence[Step]:
        """The steps of the pipeline, as in a gateway."""
        return [
            Step(step.id, step.construct(), bypass=step.on_failure == "bypass")
            for step in self.chosen
        ]


@asynccontextmanager
async def standing(
    chosen: Sequence[StepSettings], recording: Recording, agent: Agent, logger: Logger
) -> AsyncIterator[Base]:
    """A base for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        letta = await stack.enter_async_context(FakeLetta(pace=0.0))
        tags = {tag for step in chosen for tag in getattr(step.settings, "tags", ())}
        known = letta.add_agent(
            agent.name,
            type=agent.type,
            model=agent.model or "openai-proxy/scripted-1",
            parallel_tool_calls=agent.parallel_tools,
            tags=tuple(tags),
        )
        api = await stack.enter_async_context(_connected(letta.url, logger))
        here = attrs.evolve(agent, id=known.id)
        yield Base(chosen, recording, here, api, logger)


@asynccontextmanager
async def _connected(url: str, logger: Logger) -> AsyncIterator[LettaAPI]:
    async with connect(
        url, "", connect_seconds=5.0, read_seconds=60.0, max_connections=20, logger=logger
    ) as api:
        yield api


@attrs.define
class Lane:
    """A pipeline that is open. `seen` is what its probes saw; without probes, nothing."""

    base: Base
    pipeline: Pipeline
    seen: Rows | None = None

    async def play(self) -> None:
        """
        One request, to its end.

        Raises:
            StartError: A plugin has refused it, or failed before Letta was asked.
        """
        # On a clock that stands still, no text is let go because its rest is late.
        context = Context("replay", ManualClock())
        try:
            models = await self.pipeline.models(context)
            model = models[0].id if models else self.base.agent.name
            call = call_of(self.base.recording, self.base.agent, model)
            exchange = await self.pipeline.begin(call, context)
        except Reject as exc:
            raise StartError(self._refused(exc)) from exc
        async with exchange:
            await self._encode(exchange, model)

    def _refused(self, exc: Reject) -> str:
        for step in self.pipeline.steps:
            if step.tally.failures and not step.bypass:
                why = exc.__cause__ or exc
                said = f"{type(why).__name__}: {' '.join(str(why).split())}"
                return f"The plugin '{step.id}' failed before Letta was asked: {said}"
        if exc.code == "model_not_found":
            return f"This pipeline serves no {self.base.agent.type}: see agent_resolver's settings."
        return f"This pipeline refuses the request: {exc.message}"

    async def _encode(self, exchange: Exchange, model: str) -> None:
        chunks = Chunks("chatcmpl-replay", model, exchange.call.reply, include_usage=True)
        begun = False
        if self.seen is not None:
            self.seen.streaming = exchange.call.streaming
        async for batch in exchange:
            data = chunks.encode(batch)
            if self.seen is None or not batch:
                continue
            if isinstance(batch[-1], ENDINGS):
                self.seen.ending = batch[-1]
            if not begun and len(batch) == 1 and isinstance(batch[0], Error):
                self.seen.status, data = batch[0].status, dumps(openai_errors.of_event(batch[0]))
            begun = True
            self.seen.sent(data)


@asynccontextmanager
async def probed(base: Base) -> AsyncIterator[tuple[Lane, Rows]]:
    """A pipeline with probes, which reads an event and waits until it has gone through."""
    steps = base.steps()
    rows = Rows([step.id for step in reversed(steps)])
    turns = TURNS * (1 + sum(step.wraps for step in steps))
    probes = [Step(f"probe {i}", Probe(rows, i), bypass=False) for i in range(len(steps) + 1)]
    between: list[Step] = [probes[-1]]
    for step, probe in zip(steps, reversed(probes[:-1]), strict=True):
        between += (step, probe)
    async with (
        playing(lambda: _paced(base.recording, rows, turns), base.logger) as letta,
        _opened(base, between, letta) as pipeline,
    ):
        yield Lane(base, pipeline, rows), rows
    rows.failed = [step.id for step in steps if step.tally.failures]


@asynccontextmanager
async def at_once(base: Base) -> AsyncIterator[PlayedLetta]:
    """A Letta for as many replays as one likes, that says all it has to say at once."""
    async with playing(lambda: _whole(base.recording), base.logger) as letta:
        yield letta


@asynccontextmanager
async def bare(base: Base, letta: PlayedLetta) -> AsyncIterator[Lane]:
    """A pipeline as it is."""
    async with _opened(base, base.steps(), letta) as pipeline:
        yield Lane(base, pipeline)


@asynccontextmanager
async def _opened(base: Base, steps: Sequence[Step], letta: PlayedLetta) -> AsyncIterator[Pipeline]:
    """What its plugins keep, in themselves or in the store, is forgotten at the end."""
    background = Background(base.logger)
    pipeline = Pipeline(steps, letta, background.spawn, base.logger)
    async with open_store("memory") as store:
        own = [base.services(step, store, background.spawn) for step in steps]
        async with pipeline.lifespan(own), background:
            yield pipeline


async def _whole(recording: Recording) -> AsyncIterator[bytes]:
    for block in recording.blocks:
        yield block.data
    yield recording.rest


async def _paced(recording: Recording, rows: Rows, turns: int) -> AsyncIterator[bytes]:
    for block in recording.blocks:
        rows.begin(block)
        yield block.data
        for _ in range(turns):
            await asyncio.sleep(0)
    if not recording.blocks[-1].done:
        rows.begin(None)
        yield recording.rest
