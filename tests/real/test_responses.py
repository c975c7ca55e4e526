"""The Responses API down to a real Letta: the official SDK, the Agents SDK, and Codex CLI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import agents
import attrs
import openai
import pytest

from tests.gateway.serving import Listening, over
from tests.gateway.surfaces.responses.talker import ResponsesTalker
from tests.gateway.tool_stories import STORIES, calls, does
from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.behind import Behind


SEVERAL = {"provider_type": "openai", "parallel_tool_calls": True}

HOW = {
    "following, streamed": {"following": True},
    "resending, whole": {"stream": False},
}


@attrs.frozen
class World:
    """A gateway with the built-in pipeline, and the Letta below it."""

    letta: LettaServer
    gateway: Listening
    sdk: Any
    agent: str

    async def ask(self, said: str, **more: Any) -> Any:
        return await self.sdk.responses.create(model=self.agent, input=said, **more)


@pytest.fixture(name="world")
async def _world(
    letta_server: LettaServer, make_agent: MakeAgent, tmp_path: Path
) -> AsyncIterator[World]:
    agent = make_agent("Responses", model_settings=SEVERAL)
    async with (
        over(letta_server.url, tmp_path, pipeline=None) as gateway,
        gateway.openai(max_retries=0) as sdk,
    ):
        yield World(letta_server, gateway, sdk, agent.id)


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_story(world: World, how: dict[str, Any], story: Any) -> None:
    """The same as over a make-believe Letta."""
    await story(ResponsesTalker(world.sdk, world.agent, **how))


async def test_a_stream(world: World) -> None:
    """Thoughts, words and the agent's own tool are items; the SDK puts them together."""
    own = {"name": "conversation_search", "args": {"query": "Rome"}}
    steps = {"reason": "I look.", "text": "Let me look.", "tools": [own]}, {"text": "Nothing."}
    async with world.sdk.responses.stream(model=world.agent, input=does(*steps)) as stream:
        kinds = {event.type async for event in stream}
        response = await stream.get_final_response()
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "mcp_call",
        "message",
    ]
    assert response.output_text == "Let me look.\n\nNothing."
    used = response.output[2]
    assert (used.name, used.status, json.loads(used.arguments)["query"]) == (
        "conversation_search",
        "completed",
        "Rome",
    )
    assert used.output
    assert "response.mcp_call.completed" in kinds
    assert response.usage.output_tokens > 0


async def test_a_chain(world: World, behind: Behind) -> None:
    """Only what is new is told; one that is followed twice becomes two conversations."""
    first = await world.ask("one")
    left = await world.ask("left", previous_response_id=first.id)
    (conversation,) = behind.conversations(world.agent)
    assert [text for role, text in behind.said(conversation) if role == "user"] == ["one", "left"]
    right = await world.ask("right", previous_response_id=first.id)
    await world.ask("more left", previous_response_id=left.id)
    await world.ask("more right", previous_response_id=right.id)
    told = [
        [text for role, text in behind.said(each) if role == "user"]
        for each in behind.conversations(world.agent)
    ]
    assert told == [["one", "left", "more left"], ["one", "right", "more right"]]


async def test_after_a_failure(world: World) -> None:
    """What a response that failed was asked is told with the next."""
    first = await world.ask("one")
    events = [
        event
        async for event in await world.ask("@@drop@@", previous_response_id=first.id, stream=True)
    ]
    assert events[-1].type == "response.failed"
    failed = events[-1].response
    assert (await world.sdk.responses.retrieve(failed.id)).error.code == failed.error.code
    third = await world.ask("three", previous_response_id=failed.id)
    assert third.output_text == "You said: three"


async def test_in_the_background(world: World) -> None:
    """Begun, left alone, and read from its start when it is done."""
    gate = f"responses-{world.agent}"
    response = await world.ask(f"@@gate:{gate}@@", background=True)
    assert response.status == "in_progress"
    reading = await world.sdk.responses.retrieve(response.id, stream=True)
    async for event in reading:
        if event.type == "response.output_text.delta":
            break
    await reading.close()
    world.letta.model.open(gate)
    async with asyncio.timeout(60):
        while response.status == "in_progress":
            response = await world.sdk.responses.retrieve(response.id)
    assert response.status == "completed"
    rest = await world.sdk.responses.retrieve(
        response.id, stream=True, starting_after=event.sequence_number
    )
    told = [each.delta async for each in rest if each.type == "response.output_text.delta"]
    assert event.delta + "".join(told) == response.output_text


async def test_cancelled(world: World, behind: Behind) -> None:
    """It is cancelled at Letta; what was said can be read, and the chain goes on."""
    gate = f"cancelled-{world.agent}"
    first = await world.ask("one")
    stream = await world.ask(f"@@gate:{gate}@@", previous_response_id=first.id, stream=True)
    async for event in stream:
        if event.type == "response.created":
            given = event.response.id
        if event.type == "response.output_text.delta":
            break
    cancelled = await world.sdk.responses.cancel(given)
    assert cancelled.status == "cancelled"
    assert cancelled.output_text.startswith("one ")
    await behind.ended(world.agent, "cancelled")
    world.letta.model.open(gate)
    third = await world.ask("three", previous_response_id=given)
    assert third.output_text == "You said: three"


async def test_errors(world: World) -> None:
    """Each status raises the SDK's own exception."""
    with pytest.raises(openai.RateLimitError) as limited:
        await world.ask("@@err429@@", stream=True)
    with pytest.raises(openai.NotFoundError):
        await world.sdk.responses.create(model="Nobody", input="Hi")
    assert limited.value.code == "rate_limit_exceeded"


async def test_the_agents_sdk(world: World) -> None:
    """It runs its tool, and goes on after the last response."""
    agents.set_tracing_disabled(disabled=True)
    asked: list[str] = []

    @agents.function_tool
    def get_weather(city: str) -> str:
        """Tells the weather."""
        asked.append(city)
        return f"sun in {city}"

    model = agents.OpenAIResponsesModel(world.agent, openai_client=world.sdk)
    agent = agents.Agent(name="Guide", instructions="Be brief.", model=model, tools=[get_weather])
    said = does(calls("get_weather"), {"text": "It is warm."})
    first = await agents.Runner.run(agent, said, auto_previous_response_id=True)
    assert (first.final_output, asked) == ("It is warm.", ["Rome"])
    last = first.last_response_id
    second = await agents.Runner.run(agent, "Thanks.", previous_response_id=last)
    assert second.final_output == "You said: Thanks."
