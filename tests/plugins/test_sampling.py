from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from gateway.errors import Reject
from gateway.plugin import NO_SETTINGS, Call, Settings, Tool
from gateway.testing.kit import context
from plugins.sampling import Config, Sampling
from tests.plugins.asking import answer, asking, request
from tests.plugins.client import user
from tests.plugins.house import House
from tests.plugins.tool_client import SCHEMA, called, result
from tests.plugins.tool_client import does as does_all


OBJECT = {"type": "json_object"}


async def settings(body: dict[str, Any], **config: Any) -> Settings:
    turn = Sampling(Config(**config)).begin(context())
    call = await turn.prepare(Call("Milo", (), body=body))
    assert turn.idle
    return call.settings


def made(house: House) -> list[Any]:
    """What conversations were made with."""
    return [
        (each.get("model"), each.get("model_settings"))
        for each in house.requests("POST", "/conversations/")
        if "summary" in each
    ]


class TestSettings:
    async def test_what_is_asked(self):
        """All that a conversation can carry; zero is a temperature."""
        body = {"temperature": 0, "max_tokens": 5, "response_format": OBJECT, "top_p": 1}
        assert await settings(body) == Settings(0, 5, OBJECT)

    async def test_nothing_is_asked(self):
        """The agent's own stay."""
        assert await settings({"model": "Milo", "temperature": None}) == NO_SETTINGS
        assert await settings({"response_format": {"type": "text"}}) == NO_SETTINGS

    async def test_what_the_operator_lets_through(self):
        """And nothing else."""
        body = {"temperature": 1, "max_tokens": 5, "response_format": OBJECT}
        assert await settings(body, carry=["max_tokens"]) == Settings(max_tokens=5)
        assert await settings(body, carry=[]) == NO_SETTINGS

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("hot", "invalid_type"),
            (True, "invalid_type"),
            (-0.1, "invalid_value"),
            (2.1, "invalid_value"),
            (math.nan, "invalid_value"),
        ],
    )
    async def test_temperatures_that_are_none(self, value, code):
        """Refused as OpenAI refuses them, whatever is carried."""
        with pytest.raises(Reject) as caught:
            await settings({"temperature": value}, carry=[])
        reject = caught.value
        assert (reject.status, reject.code, reject.param) == (400, code, "temperature")


class TestCarried:
    async def test_without_a_chat(self):
        """The conversation is made with it, and it is not said to be ignored."""
        async with asking() as house:
            answered = await answer(house, request("Hi", temperature=0.5, max_tokens=9, top_p=1))
            assert answered.ignored == ("top_p",)
            ((model, of),) = made(house)
        assert model == "openai-proxy/scripted-1"
        assert (of["provider_type"], of["temperature"], of["max_output_tokens"]) == (
            "openai",
            0.5,
            9,
        )
        assert of["parallel_tool_calls"] is False

    async def test_nothing_is_asked(self):
        """The conversation is made as ever, and the agent not looked up."""
        async with asking() as house:
            await answer(house, request("Hi"))
            assert made(house) == [(None, None)]
            assert not [r for r in house.letta.requests if "/agents/agent-" in r.path]

    @pytest.mark.parametrize("where", [{"key": "a"}, {}])
    async def test_where_the_conversation_goes_on(self, where):
        """Nothing is carried, and what nobody honours is said."""
        async with asking(mode="agent") as house:
            answered = await answer(house, request("Hi", temperature=0.5, **where))
            assert answered.ignored == ("temperature",)
            assert made(house) == [(None, None)]

    async def test_older_agents(self):
        """They have no conversations to carry it."""
        async with asking({"type": "memgpt_v2_agent"}) as house:
            answered = await answer(house, request("Hi", temperature=0.5))
            assert answered.ignored == ("temperature",)


@pytest.mark.parametrize(("then", "ignored"), [(0.5, ()), (0.7, ("temperature",))])
async def test_results_of_tools(then, ignored):
    """They go into the conversation that was made for the call, with what it was made with."""
    story = does_all({"tools": [{"name": "get_weather", "args": {"city": "Rome"}}]}, {"text": "21"})
    tools = (Tool("get_weather", "", SCHEMA),)
    async with asking() as house:
        first = attrs.evolve(request(story, temperature=0.5), tools=tools)
        (call,) = called((await answer(house, first)).events)
        reply = attrs.evolve(user(""), role="assistant", parts=(), tool_calls=(call,))
        messages = (*first.messages, reply, result(call, "21 in Rome"))
        second = attrs.evolve(request("", temperature=then), messages=messages, tools=tools)
        answered = await answer(house, second)
        assert (answered.text, answered.ignored) == ("21", ignored)
        assert len(made(house)) == 1
