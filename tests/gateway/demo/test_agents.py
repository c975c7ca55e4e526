"""The demo's agents."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import pytest

from gateway.demo import AGENTS, demo_letta
from gateway.demo.agents import in_character
from gateway.testing.fakeletta import Ask, FakeLetta, Step
from gateway.testing.fakeletta.model import Prompt
from gateway.testing.recordings import Frame, read_frames


@pytest.fixture(name="letta")
async def _letta() -> AsyncIterator[FakeLetta]:
    async with demo_letta(pace=0) as letta:
        yield letta


async def say(letta: FakeLetta, name: str, *messages: str, tokens: bool = True) -> list[Frame]:
    """Say something to an agent; the events of its last answer."""
    agent = next(each for each in letta.agents.values() if each.name == name)
    url = f"{letta.url}/v1/agents/{agent.id}/messages/stream"
    frames: list[Frame] = []
    async with httpx.AsyncClient(timeout=20, verify=False) as http:
        for message in messages:
            asked = {"messages": [{"role": "user", "content": message}], "stream_tokens": tokens}
            frames = list(read_frames((await http.post(url, json=asked)).content))
    return frames


def text(frames: list[Frame]) -> str:
    """What the agent said."""
    said = [frame.json for frame in frames if frame.label == "assistant_message"]
    return "".join(each["content"] for each in said)


def kinds(frames: list[Frame]) -> list[str]:
    """The kinds of events, each once."""
    return list(dict.fromkeys(frame.label for frame in frames))


@pytest.mark.parametrize("agent", [each for each in AGENTS if each.name != "Busy"])
async def test_all_answer(letta: FakeLetta, agent: object) -> None:
    """Every agent but the busy one has an answer to each of its prompts."""
    for prompt in agent.prompts:  # type: ignore[attr-defined]
        frames = await say(letta, agent.name, prompt, tokens=False)  # type: ignore[attr-defined]
        assert text(frames)
        assert frames[-1].data == "[DONE]"


async def test_thinks_first(letta: FakeLetta) -> None:
    """Reasoning comes before the answer, in many pieces."""
    frames = await say(letta, "Thinker", "Is a tomato a fruit?")
    assert kinds(frames)[1:3] == ["reasoning_message", "assistant_message"]
    assert len(frames) > 30


async def test_table_is_whole(letta: FakeLetta) -> None:
    """However it is cut, the table has all its rows, and no row is cut in the right place."""
    lines = text(await say(letta, "Tables", "Show me a table.")).split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert [row.count("|") for row in rows] == [4] * 5


async def test_newlines_are_escaped(letta: FakeLetta) -> None:
    """The broken line breaks are a backslash and an n, one of them cut in two."""
    frames = await say(letta, "Newlines", "Show me the table.")
    pieces = [frame.json["content"] for frame in frames if frame.label == "assistant_message"]
    assert "\n" not in "".join(pieces)
    assert any(a.endswith("\\") and b.startswith("n") for a, b in pairwise(pieces))


async def test_uses_a_tool(letta: FakeLetta) -> None:
    """The weather is looked up by a tool of the agent's, and told."""
    frames = await say(letta, "Weather", "What is the weather in Rome?")
    (result,) = [frame.json for frame in frames if frame.label == "tool_return_message"]
    assert "tool_call_message" in kinds(frames)
    assert text(frames) == f"In Rome it is {result['tool_return']} right now."


async def test_uses_a_tool_of_the_clients(letta: FakeLetta) -> None:
    """If the client brings one for it, that is called instead."""
    agent = next(each for each in letta.agents.values() if each.name == "Weather")
    asked = {
        "messages": [{"role": "user", "content": "What is the weather in Rome?"}],
        "client_tools": [{"name": "get_weather", "parameters": {}}],
    }
    async with httpx.AsyncClient(timeout=20, verify=False) as http:
        url = f"{letta.url}/v1/agents/{agent.id}/messages/stream"
        frames = list(read_frames((await http.post(url, json=asked)).content))
    (call,) = [frame.json for frame in frames if frame.label == "approval_request_message"]
    assert call["tool_call"]["name"] == "get_weather"


async def test_weather_in_json(letta: FakeLetta) -> None:
    """The weather in JSON is the one that the tool tells."""
    agent = next(each for each in letta.agents.values() if each.name == "Weather")
    asked = [
        {"role": "user", "content": "What is the weather in Rome?"},
        {"role": "system", "content": "Answer with JSON alone."},
    ]
    async with httpx.AsyncClient(timeout=20, verify=False) as http:
        url = f"{letta.url}/v1/agents/{agent.id}/messages/stream"
        body = {"messages": asked, "stream_tokens": True}
        frames = list(read_frames((await http.post(url, json=body)).content))
    (result,) = [frame.json for frame in frames if frame.label == "tool_return_message"]
    assert result["tool_return"] == "21 degrees and sun"
    assert json.loads(text(frames)) == {"city": "Rome", "degrees": 21, "sky": "sun"}


async def test_refuses(letta: FakeLetta) -> None:
    """The busy agent's model answers 429."""
    frames = await say(letta, "Busy", "Are you there?")
    assert frames[-2].json["error_type"] == "llm_rate_limit"


async def test_waits_as_long_as_it_is_told(letta: FakeLetta) -> None:
    """The slow agent takes the time from the message."""
    assert text(await say(letta, "Slow", "Wait for 40 seconds.")).startswith("40 s")
    assert text(await say(letta, "Slow", "Think it over.")).startswith("25 s")


async def test_older_type(letta: FakeLetta) -> None:
    """The older agent's text is whole by steps, and lost by tokens."""
    assert "日本" in text(await say(letta, "Classic", "How do you talk?", tokens=False))
    assert "\n" not in text(await say(letta, "Classic", "How do you talk?"))


def test_asked_once_more() -> None:
    """Whatever it is asked afterwards, an agent never falls out of its part."""
    script = in_character([Step("Tomatoes are fruit.")])
    asked = [Prompt("user", "Are they?"), Prompt("assistant", "Yes."), Prompt("system", "Again!")]

    assert in_character(None) is None
    assert callable(script)
    assert script(Ask(tuple(asked)))[1].said == "Tomatoes are fruit."
