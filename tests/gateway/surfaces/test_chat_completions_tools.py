"""Clients with tools, from the official SDK down to a make-believe Letta."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import openai
import pytest
from pydantic import BaseModel

from gateway import assemble
from gateway.testing.fakeletta import FakeLetta, Fault, ServerTool
from tests.gateway.serving import USER, Listening, over
from tests.gateway.tool_stories import STORIES, WEATHER, Talker, calls, does, two_calls
from tests.plugins.watched import Watched


RECORDED = {
    name: json.loads(Path(__file__).with_name(f"{name}_request.json").read_text())["body"]
    for name in ("open_webui", "cline")
}

ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
keys = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])


@attrs.frozen
class Talking:
    """A gateway with the built-in pipeline, and the Letta below it."""

    letta: FakeLetta
    gateway: Listening
    sdk: Any

    def talker(self, **settings: Any) -> Talker:
        return Talker(self.sdk, "Milo", **settings)


@asynccontextmanager
async def talking(tmp_path: Path, **settings: Any) -> AsyncIterator[Talking]:
    """One agent who makes several calls at once."""
    search = ServerTool("conversation_search", lambda query: f"nothing of {query}")
    async with FakeLetta(pace=0.001) as letta:
        letta.add_agent("Milo", tools=[search], parallel_tool_calls=True)
        async with (
            over(letta.url, tmp_path, pipeline=None, **settings) as gateway,
            gateway.openai(max_retries=0) as sdk,
        ):
            yield Talking(letta, gateway, sdk)


@ways
@keys
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_story(tmp_path: Path, stream: bool, key: str, story: Any) -> None:
    """The same for streams and whole answers, with a chat and without."""
    async with talking(tmp_path) as world:
        await story(world.talker(stream=stream, key=key))


@ways
async def test_interleaved(tmp_path: Path, stream: bool) -> None:
    """Fragments of two calls by turns find their own call."""
    async with talking(tmp_path) as world:
        await two_calls(world.talker(stream=stream), interleave=True)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_story_one_byte_at_a_time(tmp_path: Path, story: Any) -> None:
    """However the bytes come from Letta."""
    async with talking(tmp_path) as world:
        world.letta.fail(Fault(chop=1), path="conversations/.*/messages", method="POST")
        await story(world.talker())


async def test_chunks_of_a_call(tmp_path: Path) -> None:
    """The first names the call, later ones have fragments; one role, one finish, an index each."""
    async with talking(tmp_path) as world:
        talker = world.talker()
        step = calls("get_weather", "get_time", text="Let me look.")
        talker.messages.append({"role": "user", "content": does(step, {})})
        stream = await world.sdk.chat.completions.create(**talker.body(), stream=True)
        chunks = [chunk.to_dict() async for chunk in stream]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta for delta in deltas if "role" in delta] == deltas[:1]
    parts = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    firsts = [part for part in parts if "id" in part]
    assert [part["index"] for part in firsts] == [0, 1]
    assert all(part["type"] == "function" for part in firsts)
    assert all(part["function"]["arguments"] == "" for part in firsts)
    assert all("index" in part and isinstance(part["function"]["arguments"], str) for part in parts)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(reasons) - 1) + ["tool_calls"]


class GetWeather(BaseModel):
    """Tells the weather."""

    city: str


async def test_the_sdks_own_parsing(tmp_path: Path) -> None:
    """`parse` and `stream` read the arguments into a class, with a strict schema."""
    tools = [openai.pydantic_function_tool(GetWeather, name="get_weather")]
    async with talking(tmp_path) as world:
        messages = [{"role": "user", "content": does(calls("get_weather"), {})}]
        asked = {"model": "Milo", "messages": messages, "tools": tools}
        parsed = await world.sdk.chat.completions.parse(**asked)
        (call,) = parsed.choices[0].message.tool_calls
        assert call.function.parsed_arguments == GetWeather(city="Rome")
        async with world.sdk.chat.completions.stream(**asked) as stream:
            events = [event.type async for event in stream]
            final = await stream.get_final_completion()
        assert events.count("tool_calls.function.arguments.done") == 1
        (call,) = final.choices[0].message.tool_calls
        assert call.function.parsed_arguments == GetWeather(city="Rome")


@keys
async def test_refusals(tmp_path: Path, key: str) -> None:
    """A part of the results, or results that nobody waits for: 400, which no SDK retries."""
    async with talking(tmp_path) as world:
        talker = world.talker(key=key)
        await talker.say(does(calls("get_weather", "get_time"), {"text": "Both."}))
        first, second = (call["id"] for call in talker.messages[-1]["tool_calls"])
        talker.give(first, "21")
        with pytest.raises(openai.BadRequestError) as part:
            await talker.send()
        assert (part.value.code, part.value.param) == ("tool_results_missing", "messages")
        assert second in part.value.message
        assert first not in part.value.message
        talker.give(second, "noon")
        assert (await talker.send()).text == "Both."
        talker.messages.pop()
        with pytest.raises(openai.BadRequestError) as twice:
            await talker.send()
        assert twice.value.code == "tool_call_not_pending"
        assert twice.value.response.headers.get("x-should-retry") is None


@ways
async def test_a_call_that_must_come(tmp_path: Path, stream: bool) -> None:
    """A header says that the agent was asked twice and did not call."""
    async with talking(tmp_path) as world:
        talker = world.talker(more={"tool_choice": "required", "stream": stream})
        for text, header in (("hi", "tool_choice"), (does(calls("get_time"), {}), None)):
            talker.messages = [{"role": "user", "content": text}]
            raw = await world.sdk.chat.completions.with_raw_response.create(**talker.body())
            assert raw.headers.get("x-letta-gateway-unmet") == header
            assert raw.headers.get("x-letta-gateway-ignored") is None
            await raw.http_response.aread()


@ways
@keys
async def test_functions(tmp_path: Path, stream: bool, key: str) -> None:
    """OpenAI's older form: one call, without an id."""
    async with talking(tmp_path) as world:
        function = WEATHER["function"]
        older = {"functions": [function], "function_call": "auto"}
        talker = world.talker(key=key, stream=stream, tools=(), more=older)
        said = await talker.say(does(calls("get_weather", "get_time"), {"text": "It is warm."}))
        assert said.finish == "function_call"
        assert said.calls == []
        called = said.message["function_call"]
        assert (called["name"], json.loads(called["arguments"])) == (
            "get_weather",
            {"city": "Rome"},
        )
        talker.messages.append({"role": "function", "name": "get_weather", "content": "21"})
        said = await talker.send()
        assert said.finish == "stop"
        assert (said.text == "It is warm.") is bool(key)


@ways
@pytest.mark.parametrize("body", RECORDED.values(), ids=RECORDED)
async def test_recorded_clients(tmp_path: Path, stream: bool, body: dict[str, Any]) -> None:
    """Open WebUI and Cline with all their tools, as they send them; two calls and the answer."""
    offered = [tool["function"] for tool in body["tools"]]
    first, last = offered[0]["name"], offered[-1]["name"]
    async with talking(tmp_path) as world:
        more = {"tool_choice": body["tool_choice"]} if "tool_choice" in body else {}
        talker = world.talker(tools=body["tools"], stream=stream, more=more)
        talker.messages = body["messages"][:-1]
        said = await talker.say(does(calls(first, last), {"text": "Then."}))
        assert said.names == [first, last]
        assert (await talker.answer(lambda _: '[{"success":true}]')).text == "Then."
        asked = next(r for r in world.letta.requests if r.path.endswith("/messages"))
    told = asked.body["client_tools"]
    assert [(tool["name"], tool["parameters"]) for tool in told] == [
        (tool["name"], tool["parameters"]) for tool in offered
    ]


@ways
async def test_deep_arguments(tmp_path: Path, stream: bool) -> None:
    """A model's arguments go through as they are; a client's that are no text are refused."""
    deep = "[" * 2000 + "]" * 2000
    async with talking(tmp_path) as world:
        talker = world.talker(stream=stream)
        called = {"name": "get_weather", "args": f'{{"city": {deep}}}', "frag": 500}
        said = await talker.say(does({"tools": [called]}, {"text": "Deep."}))
        assert said.calls[0]["function"]["arguments"] == called["args"]
        assert (await talker.answer(lambda _: deep)).text == "Deep."
        function = {"name": "f", "arguments": json.loads(deep[1700:2300])}
        asking = {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]}
        talker.messages = [asking, {"role": "user", "content": "Hi."}]
        with pytest.raises(openai.BadRequestError) as refused:
            await talker.send()
        assert "nested" in refused.value.message


@attrs.define
class Counting(Watched):
    """A store that counts."""

    async def ping(self) -> None:
        pass

    async def cost(self, work: Awaitable[object]) -> int:
        """How many operations this takes, apart from those on the log of a turn with a key."""
        self.done.clear()
        await work
        return len([each for each in self.done if each not in {"append", "read_from"}])


@keys
async def test_what_the_store_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Through all of the gateway: nothing without a chat, a call and a key."""
    store, two = Counting(), does(calls("get_weather", "get_time"), {"text": "Both."})
    monkeypatch.setattr(assemble, "open_store", lambda *_, **__: nullcontext(store))
    more = {"extra_headers": {"Idempotency-Key": "k"}}
    async with talking(tmp_path) as world:
        talker = world.talker(key=key)
        costs = [await store.cost(talker.say(said)) for said in ("Hi.", two)]
        costs.append(await store.cost(talker.answer()))
        once = partial(world.sdk.chat.completions.create, model="Milo", messages=USER, **more)
        kept = [await store.cost(once()) for _ in range(2)]
    assert costs == ([6, 7, 6] if key else [0, 3, 10])
    assert kept == [5, 2]
