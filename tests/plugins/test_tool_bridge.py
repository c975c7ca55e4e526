"""The agent calls the client's tools, the client runs them, the agent goes on."""

from __future__ import annotations

import json

import attrs
import pytest

from gateway.call import Image, Text, Tool, ToolChoice
from gateway.events import (
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.testing.fakeletta import Step, ToolUse
from gateway.testing.kit import assert_grammar
from plugins.calls.ids import is_ours
from tests.plugins.client import Client, ending, listening, said, user
from tests.plugins.tool_client import (
    ONE,
    TWO,
    ToolClient,
    called,
    calls,
    does,
    milo,
    result,
    returned,
    sent_results,
    tooled,
    waits,
)


PIXEL = "R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=="

both_ways = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])


@both_ways
async def test_a_call_and_its_result(key: str) -> None:
    """The agent is offered the tool and calls it, and goes on with what the client gives back."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)

        events = await client.say(ONE)

        assert_grammar(events)
        (made,) = called(events)
        assert (made.name, made.arguments) == ("get_weather", '{"city": "Rome"}')
        assert ending(events) == "tool_calls"
        (asked,) = house.requests("POST", "/messages")
        names = [tool["name"] for tool in asked["client_tools"]]
        assert names == ["get_weather", "get_time"]
        assert asked["client_tools"][0]["parameters"]["required"] == ["city"]

        events = await client.answer()

        assert said(events) == "It is warm."
        assert ending(events) == "stop"
        assert [text for _, text, _ in sent_results(house)] == ["21 in Rome"]


async def test_arguments_come_in_fragments() -> None:
    """As the model makes them, so that a client can show them; they add up to the whole."""
    async with tooled() as house:
        use = ToolUse("get_weather", {"city": "Llanfairpwllgwyngyll"}, frag=3)
        milo(house).script = [Step(tools=(use,)), Step("Done.")]
        events = await ToolClient(house, "Milo").say("Go")
        fragments = [event.json for event in events if isinstance(event, ToolArgsDelta)]
        assert len(fragments) > 5
        assert "".join(fragments) == use.json


@both_ways
@pytest.mark.parametrize("interleave", [False, True])
async def test_two_calls_at_once(key: str, interleave: bool) -> None:
    """Both reach the client, and both results reach Letta in one request."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)
        step = calls("get_weather:call_a", "get_time:call_b", interleave=interleave)
        events = await client.say(does(step, {"text": "Both known."}))
        assert_grammar(events)
        assert [(made.name, made.arguments) for made in called(events)] == [
            ("get_weather", '{"city": "Rome"}'),
            ("get_time", '{"city": "Rome"}'),
        ]
        assert said(await client.answer()) == "Both known."
        assert sent_results(house) == [
            ("call_a", "21 in Rome", True),
            ("call_b", "noon in Rome", True),
        ]


async def test_results_in_any_order() -> None:
    """Each goes to its own call."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(TWO)
        first, second = client.asked
        await client.answer_with(client.run(second), client.run(first))
        assert sorted(sent_results(house)) == [
            ("call_a", "21 in Rome", True),
            ("call_b", "noon in Rome", True),
        ]


@pytest.mark.parametrize("interleave", [False, True])
async def test_an_agent_that_makes_one_call_at_a_time(interleave: bool) -> None:
    """The calls that Letta shows and then drops are never announced."""
    async with tooled(several=False) as house:
        client = ToolClient(house, "Milo", "chat-1")
        step = calls("get_weather:call_a", "get_time:call_b", interleave=interleave)
        events = await client.say(does(step, {"text": "Known."}))
        assert_grammar(events)
        assert [made.name for made in called(events)] == ["get_weather"]
        assert said(await client.answer()) == "Known."


@pytest.mark.parametrize("later", [False, True])
async def test_an_agent_that_was_changed_meanwhile(later: bool) -> None:
    """The gateway learns of it some time later; until then, too, no call is left waiting."""
    async with tooled(several=not later) as house:
        await Client(house, "Milo").say("hi")  # now the agent is known
        milo(house).parallel_tool_calls = later
        client = ToolClient(house, "Milo", "chat-1")
        events = await client.say(TWO)
        assert len(called(events)) == (1 if later else 2)
        assert said(await client.answer()) == "Both known."
        answers = sent_results(house)
        assert [(call_id, ok) for call_id, _, ok in answers] == (
            [("call_a", True), ("call_b", False)] if later else [("call_a", True)]
        )


async def test_a_client_that_takes_one_call_at_a_time() -> None:
    """It is told of the first only; the agent is told that the others were not run."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1", parallel=False)
        events = await client.say(TWO)
        assert_grammar(events)
        assert [made.name for made in called(events)] == ["get_weather"]
        assert said(await client.answer()) == "Both known."
        first, second = sent_results(house)
        assert first == ("call_a", "21 in Rome", True)
        assert second[0] == "call_b"
        assert second[1].startswith("Not run")
        assert not second[2]


async def test_thoughts_and_words_before_a_call() -> None:
    """They come as they do without one."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        step = calls("get_weather", reason="I must look.", text="Let me look.")
        events = await client.say(does(step, {"text": "Warm."}))
        kinds = [type(event) for event in events]
        assert kinds.index(ReasoningDelta) < kinds.index(TextDelta) < kinds.index(ToolCallStart)
        assert said(events) == "Let me look."
        assert said(await client.answer()) == "Warm."


@both_ways
async def test_the_agents_own_tools_in_the_same_turn(key: str) -> None:
    """Letta runs them, and the client is asked for its own only."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)
        script = does(
            calls("lookup"), calls("lookup:call_s", "get_weather:call_c"), {"text": "Found."}
        )
        events = await client.say(script)
        assert_grammar(events)
        assert [made.name for made in called(events)] == ["get_weather"]
        own = [event for event in events if isinstance(event, ToolCallStart)]
        assert [event.client_side for event in own] == [False, False, True]
        events = await client.answer()
        assert_grammar(events)
        assert said(events) == "Found."
        assert [each[0] for each in sent_results(house)] == ["call_c"]


@both_ways
async def test_ten_rounds(key: str) -> None:
    """Round after round in one conversation, and each result is sent once."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)
        rounds = [calls(f"get_weather:call_{i}") for i in range(10)]
        events = await client.talk(does(*rounds, {"text": "Ten."}))
        assert said(events) == "Ten."
        await house.quiet()
        sent = [
            each["tool_call_id"]
            for body in house.requests("POST", "/messages")
            for message in body["messages"]
            for each in message.get("tool_returns", ())
        ]
        assert sent == [f"call_{i}" for i in range(10)]


async def test_ids_that_models_use_again() -> None:
    """The client gets a new id each time, and results find their own call."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        script = does(calls("get_weather:call_1"), calls("get_time:call_1"), {"text": "Done."})
        await client.say(script)
        (first,) = client.asked
        await client.answer()
        (second,) = client.asked
        assert first.id != second.id
        assert is_ours(first.id)
        assert said(await client.answer()) == "Done."


async def test_a_scratch_conversation_waits_for_its_results() -> None:
    """It lives while calls are pending, and is deleted when the answer is over."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        await house.quiet()
        (conversation,) = house.conversations("scratch")
        assert waits(house, conversation)
        await client.answer()
        await house.quiet()
        assert house.conversations() == []


async def test_usage_and_the_ending_come_after_the_calls() -> None:
    """Usage is that of the step that called."""
    async with tooled() as house:
        events = await ToolClient(house, "Milo").say(ONE)
        assert isinstance(events[-2], Usage)
        assert events[-1] == Finish("tool_calls")


async def test_what_is_honoured_is_not_said_to_be_ignored() -> None:
    """The rest still is."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", messages=[user("hi")])
        async with await house.begin(client.call()) as exchange:
            assert exchange.call.reply.ignored == ("temperature",)
            assert [event async for batch in exchange for event in batch]


class TestNames:
    async def test_a_name_that_the_agent_has_too(self) -> None:
        """The client's tool goes by another name at Letta, and by its own at the client's."""
        async with tooled() as house:
            tools = {"lookup": lambda **_: "mine"}
            client = ToolClient(house, "Milo", "chat-1", tools=tools)
            events = await client.say(does(calls("lookup_client"), {"text": "Mine."}))
            assert [made.name for made in called(events)] == ["lookup"]
            assert said(await client.answer()) == "Mine."
            assert [text for _, text, _ in sent_results(house)] == ["mine"]

    async def test_the_agents_own_tool_is_still_its_own(self) -> None:
        """Letta runs it as ever."""
        async with tooled() as house:
            tools = {"lookup": lambda **_: "mine"}
            client = ToolClient(house, "Milo", tools=tools)
            own = {"tools": [{"name": "lookup"}]}
            events = await client.say(does(own, {"text": "Yours."}))
            assert called(events) == ()
            assert [event.output for event in events if isinstance(event, ToolResult)] == ["found"]
            assert said(events) == "Yours."

    async def test_a_renamed_tool_that_must_be_called(self) -> None:
        """It is asked for by the name that the agent knows."""
        async with tooled() as house:
            tools = {"lookup": lambda **_: "mine"}
            client = ToolClient(house, "Milo", tools=tools, choice=ToolChoice("required", "lookup"))
            events = await client.say(does(calls("lookup_client"), {"text": "Mine."}))
            assert [made.name for made in called(events)] == ["lookup"]


class TestResults:
    async def test_a_large_one(self) -> None:
        """200 kB reach Letta, which cuts them itself."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", "chat-1")
            await client.say(ONE)
            conversation = house.latest
            text = "0123456789" * 20_000
            events = await client.answer_with(result(client.asked[0], text))
            assert said(events) == "It is warm."
            sizes = [r.size for r in house.letta.requests if r.path.endswith("/messages")]
            assert max(sizes) > 200_000
            ((_, kept, ok),) = returned(house, conversation)
            assert ok
            assert kept.startswith(text[:24_000])

    async def test_parts_and_images(self) -> None:
        """Texts and images go on as they are."""
        async with tooled() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            picture = (Text("Look:"), Image("image/gif", PIXEL))
            assert said(await client.answer_with(result(client.asked[0], picture))) == "It is warm."
            ((_, parts, _),) = sent_results(house)
            assert parts == [
                {"type": "text", "text": "Look:"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/gif", "data": PIXEL},
                },
            ]

    async def test_one_that_is_empty(self) -> None:
        """A tool may have nothing to say."""
        async with tooled() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            await client.answer_with(result(client.asked[0], ()))
            assert sent_results(house)[0][1:] == ("", True)

    async def test_an_error(self) -> None:
        """A tool that failed is said to have failed."""
        async with tooled() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            await client.answer_with(result(client.asked[0], ValueError("no such city")))
            assert sent_results(house)[0][1:] == ("no such city", False)


class TestFunctions:
    async def test_in_a_named_chat(self) -> None:
        """Without ids, the result is that of the one call that is pending."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", "chat-1", functions=True)
            events = await client.say(TWO)
            assert [made.name for made in called(events)] == ["get_weather"]
            given = attrs.evolve(result("", "21"), name="get_weather", tool_call_id=None)
            assert said(await client.answer_with(given)) == "Both known."
            assert sent_results(house)[0][1:] == ("21", True)

    async def test_without_a_chat(self) -> None:
        """The conversation cannot be found again: the agent is told what was called, in words."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", functions=True)
            await client.say(ONE)
            await house.quiet()
            assert house.conversations() == []
            shown = listening(house)
            given = attrs.evolve(result("", "21"), name="get_weather", tool_call_id=None)
            assert ending(await client.answer_with(given)) == "stop"
            told = shown[0][-1][1]
            assert "[Result of the tool get_weather]\n21" in told
            await house.quiet()
            assert house.conversations() == []


async def test_many_tools() -> None:
    """128 of them, with a schema that is deep."""
    deep: dict[str, object] = {"type": "string"}
    for _ in range(30):
        deep = {"type": "object", "properties": {"inner": deep}}
    async with tooled() as house:
        client = ToolClient(house, "Milo", messages=[user("hi")])
        tools = tuple(Tool(f"tool_{i}", "d", deep) for i in range(128))
        async with await house.begin(attrs.evolve(client.call(), tools=tools)) as exchange:
            assert [event async for batch in exchange for event in batch][-1] == Finish()
        sent = next(r for r in house.letta.requests if r.path.endswith("/messages"))
        assert sent.size > 128 * len(json.dumps(deep, separators=(",", ":")))
