"""OpenAI's Agents SDK, over a make-believe Letta: in it, the gateway's agent is a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import agents
import attrs
import pytest
from pydantic import BaseModel

from gateway.testing.fakeletta import Ask, FakeLetta, ServerTool, Step, ToolUse
from tests.gateway.serving import over


class Weather(BaseModel):
    """What is asked for."""

    city: str
    degrees: int


def script(ask: Ask) -> Sequence[Step]:
    """Looks something up by itself, asks the client for the weather of two cities, and tells."""
    if any("JSON" in message.text for message in ask.messages if message.role == "system"):
        return [Step('{"city": "Rome", "degrees": 21}')]
    if "weather" not in ask.said:
        known = sum(message.text == "What is the weather?" for message in ask.messages)
        return [Step(f"You asked {known} time.")]
    uses = tuple(ToolUse("get_weather", {"city": city}) for city in ("Rome", "Oslo"))
    return [
        Step(reason="I look.", text="Let me look.", tools=(ToolUse("lookup"),)),
        Step(text="Now I ask.", tools=uses),
        Step(reason="All known.", text="Sun in both."),
    ]


@attrs.frozen
class World:
    """The SDK's agent, and what its tool was asked."""

    letta: FakeLetta
    sdk: Any
    asked: list[str] = attrs.field(factory=list)

    def agent(self, **more: Any) -> agents.Agent[Any]:
        @agents.function_tool
        def get_weather(city: str) -> str:
            """Tells the weather."""
            self.asked.append(city)
            return f"sun in {city}"

        model = agents.OpenAIResponsesModel("Milo", openai_client=self.sdk)
        settings = {"tools": [get_weather], **more}
        return agents.Agent(name="Guide", instructions="Be brief.", model=model, **settings)


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    agents.set_tracing_disabled(disabled=True)
    async with (
        _letta() as letta,
        over(letta.url, tmp_path, pipeline=None) as gateway,
        gateway.openai(max_retries=0) as sdk,
    ):
        yield World(letta, sdk)


@asynccontextmanager
async def _letta() -> AsyncIterator[FakeLetta]:
    async with FakeLetta(pace=0) as letta:
        tools = [ServerTool("lookup", lambda: "found")]
        letta.add_agent("Milo", script=script, tools=tools, parallel_tool_calls=True)
        yield letta


ITEMS = [
    "reasoning_item",
    "message_output_item",
    "tool_call_item",
    "message_output_item",
    "tool_call_item",
    "tool_call_item",
    "tool_call_output_item",
    "tool_call_output_item",
    "reasoning_item",
    "message_output_item",
]


async def test_a_run(world: World) -> None:
    """It runs its own tools, shows those of Letta's and the thoughts, and has the last word."""
    result = await agents.Runner.run(world.agent(), "What is the weather?")
    assert result.final_output == "Sun in both."
    assert world.asked == ["Rome", "Oslo"]
    assert [item.type for item in result.new_items] == ITEMS
    assert result.context_wrapper.usage.total_tokens > 0


async def test_a_streamed_run(world: World) -> None:
    """The same, as it comes."""
    result = agents.Runner.run_streamed(world.agent(), "What is the weather?")
    told = "".join(
        [
            event.data.delta
            async for event in result.stream_events()
            if event.type == "raw_response_event"
            and event.data.type == "response.output_text.delta"
        ]
    )
    assert told == "Let me look.\n\nNow I ask.Sun in both."
    assert result.final_output == "Sun in both."
    assert [item.type for item in result.new_items] == ITEMS


@pytest.mark.parametrize("how", ["resending", "following", "conversation", "session"])
async def test_a_chat(world: World, how: str) -> None:
    """Whoever keeps what was said, the agent knows it."""
    agent = world.agent()
    session = agents.SQLiteSession("chat") if how == "session" else None
    made = await world.sdk.conversations.create() if how == "conversation" else None
    first = await agents.Runner.run(
        agent,
        "What is the weather?",
        session=session,
        conversation_id=made and made.id,
        auto_previous_response_id=how == "following",
    )
    said: Any = "Thank you."
    if how == "resending":
        said = [*first.to_input_list(), {"role": "user", "content": said}]
    second = await agents.Runner.run(
        agent,
        said,
        session=session,
        conversation_id=made and made.id,
        previous_response_id=first.last_response_id if how == "following" else None,
    )
    assert second.final_output == "You asked 1 time."
    assert world.asked == ["Rome", "Oslo"]


async def test_what_comes_out_has_a_type(world: World) -> None:
    """The agent is asked for JSON, and the SDK reads it."""
    agent = world.agent(tools=[], output_type=Weather)
    result = await agents.Runner.run(agent, "Tell me.")
    assert result.final_output == Weather(city="Rome", degrees=21)
