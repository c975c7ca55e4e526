"""The shipped plugins over FakeLetta."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import loguru

from gateway.call import Call
from gateway.events import Event
from gateway.letta.client import LettaAPI, connect
from gateway.pipeline import Pipeline, Step
from gateway.pipeline.exchange import Exchange
from gateway.plugin import Plugin
from gateway.services import Caller, Clock, Context, LoopClock, Services
from gateway.testing.fakeletta import FakeLetta
from plugins import agent_resolver, conversation_resolver
from tests.plugins.watched import Watched


@attrs.define
class House:
    """A running pipeline, and the Letta below it."""

    letta: FakeLetta
    api: LettaAPI
    store: Watched
    pipeline: Pipeline
    clock: Clock
    _tasks: set[asyncio.Task[None]]

    async def begin(self, call: Call, caller: str = "anonymous") -> Exchange:
        """Prepare a request."""
        context = Context("test", self.clock, Caller(caller, caller))
        return await self.pipeline.begin(call, context)

    async def ask(self, call: Call, caller: str = "anonymous") -> list[Event]:
        """The whole answer to a request."""
        async with await self.begin(call, caller) as exchange:
            return [event async for batch in exchange for event in batch]

    async def prepare(self, call: Call) -> Call:
        """Prepare a request as a gateway does that dies before it asks Letta."""
        for step in self.pipeline.steps:
            call = await step.plugin.begin(Context("test", self.clock)).prepare(call)
        return call

    async def quiet(self) -> None:
        """Wait until nothing goes on any more: neither here nor at Letta."""
        await until(lambda: not self._tasks and all(run.over for run in self.letta.runs.values()))

    async def heard(self, conversation: str, agent_id: str = "") -> list[tuple[str, str]]:
        """What a conversation is at Letta: who said what, without the agent's own prompt."""
        named = {"agent_id": agent_id} if conversation == "default" else {}
        listing = self.api.client.conversations.messages.list(
            conversation, order="asc", limit=500, **named
        )
        kinds = {"user_message": "user", "assistant_message": "assistant"}
        kinds["system_message"] = "system"
        found = [
            (kinds[message.message_type], _text(message.content))
            async for message in listing
            if message.message_type in kinds
        ]
        return found[1:]

    async def told(self, conversation: str, agent_id: str = "") -> list[str]:
        """What users have said in a conversation."""
        heard = await self.heard(conversation, agent_id)
        return [text for role, text in heard if role == "user"]

    def conversations(self, summary: str = "") -> list[str]:
        """The conversations at Letta whose summary contains this, oldest first."""
        every = self.letta.conversations.values()
        return [each.id for each in every if summary in (each.summary or "")]

    @property
    def latest(self) -> str:
        """The conversation that was spoken to last."""
        paths = [r.path for r in self.letta.requests if r.path.endswith("/messages")]
        return paths[-1].split("/")[3]

    def requests(self, method: str, path: str) -> list[Any]:
        """The bodies of the requests that Letta was sent."""
        return [
            request.body
            for request in self.letta.requests
            if request.method == method and path in request.path
        ]


@asynccontextmanager
async def built(
    letta: FakeLetta,
    *,
    store: Watched | None = None,
    clock: Clock | None = None,
    above: Iterable[Plugin[Any]] = (),
    below: Iterable[Plugin[Any]] = (),
    agents: Mapping[str, Any] | None = None,
    cancel_on_leave: bool = True,
    **settings: Any,
) -> AsyncIterator[House]:
    """
    The pipeline over `letta`.

    Args:
        above: Further plugins, between the two.
        below: Further plugins, nearer to Letta.
        agents: Settings of `agent_resolver`.
        settings: Those of `conversation_resolver`.
    """
    logger, tasks = loguru.logger, set[asyncio.Task[None]]()

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            connect(
                letta.url,
                letta.api_key,
                connect_seconds=5,
                read_seconds=30,
                max_connections=200,
                logger=logger,
            )
        )
        plugins: Sequence[Plugin[Any]] = [
            agent_resolver.AgentResolver(agent_resolver.Config(**(agents or {}))),
            *above,
            conversation_resolver.ConversationResolver(conversation_resolver.Config(**settings)),
            *below,
        ]
        steps = [Step(f"step-{i}", plugin, bypass=False) for i, plugin in enumerate(plugins)]
        pipeline = Pipeline(steps, api, spawn, logger, cancel_on_leave=cancel_on_leave)
        watched, time = store or Watched(), clock or LoopClock()
        services = Services(api, watched, time, logger, spawn)
        await stack.enter_async_context(pipeline.lifespan([services] * len(steps)))
        house = House(letta, api, watched, pipeline, time, tasks)
        yield house
        await house.quiet()


async def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  it is no event that could be set
            await asyncio.sleep(0.002)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(getattr(part, "text", "") for part in content or ())
