"""Clients with tools, from the official SDK down to a make-believe Letta."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, omit

from gateway.testing.fakeletta import Fault
from tests.gateway.surfaces.responses.talker import ResponsesTalker
from tests.gateway.surfaces.test_chat_completions_tools import Talking, talking
from tests.gateway.tool_stories import STORIES, WEATHER, calls, does, two_calls


HOW = {
    "following, streamed": {"following": True},
    "following, whole": {"following": True, "stream": False},
    "resending": {},
    "not kept": {"store": False, "stream": False},
    "following in a chat": {"following": True, "key": "chat-1", "stream": False},
    "resending in a chat": {"key": "chat-1"},
}


def talker(world: Talking, **settings: Any) -> ResponsesTalker:
    return ResponsesTalker(world.sdk, "Milo", **settings)


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_story(tmp_path: Path, how: dict[str, Any], story: Any) -> None:
    """The same stories as those of chat completions, however a client goes on."""
    async with talking(tmp_path) as world:
        await story(talker(world, **how))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_interleaved(tmp_path: Path, stream: bool) -> None:
    """Fragments of two calls by turns find their own call."""
    async with talking(tmp_path) as world:
        await two_calls(talker(world, stream=stream), interleave=True)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_story_one_byte_at_a_time(tmp_path: Path, story: Any) -> None:
    """However the bytes come from Letta."""
    async with talking(tmp_path) as world:
        world.letta.fail(Fault(chop=1), path="conversations/.*/messages", method="POST")
        await story(talker(world))


async def test_a_call_that_is_asked_for(tmp_path: Path) -> None:
    """A client that needs one gets it, by name."""
    async with talking(tmp_path) as world:
        choice = {"type": "function", "name": "get_weather"}
        somebody = talker(world, more={"tool_choice": choice})
        said = await somebody.say(does({"text": "No."}, calls("get_weather")))
        assert said.names == ["get_weather"]


async def test_tools_that_openai_runs(tmp_path: Path) -> None:
    """They are left out, which is said; the others can be called."""
    async with talking(tmp_path) as world:
        function = {"type": "function", **WEATHER["function"]}  # type: ignore[dict-item]
        answer = await world.sdk.responses.with_raw_response.create(
            model="Milo", input=does(calls("get_weather")), tools=[{"type": "web_search"}, function]
        )
        assert answer.headers["x-letta-gateway-ignored"] == "tools.web_search"
        (item,) = answer.parse().output
        assert (item.type, item.name) == ("function_call", "get_weather")


async def test_results_are_answered_once(tmp_path: Path) -> None:
    """The second time nobody waits for them; the error speaks of the field that was sent."""
    async with talking(tmp_path) as world:
        somebody = talker(world, following=True)
        await somebody.say(does(calls("get_weather"), {"text": "Warm."}))
        first = somebody.last
        (call,) = somebody.messages[-1]["tool_calls"]
        assert (await somebody.answer()).text == "Warm."
        item = {"type": "function_call_output", "call_id": call["id"], "output": "21"}
        with pytest.raises(BadRequestError) as refused:
            await world.sdk.responses.create(
                model="Milo", input=[item], previous_response_id=first, instructions=omit
            )
        assert (refused.value.code, refused.value.param) == ("tool_call_not_pending", "input")
