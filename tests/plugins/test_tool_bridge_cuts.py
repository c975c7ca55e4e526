"""Streams that are cut anywhere: nothing is lost, nothing is told twice, nobody waits."""

from __future__ import annotations

import pytest

from gateway.errors import Reject
from gateway.testing.fakeletta import Fault
from gateway.testing.kit import assert_grammar
from plugins.calls.answers import LOST
from tests.plugins.client import ending, listening, said, user
from tests.plugins.house import House
from tests.plugins.tool_client import (
    TWO,
    ToolClient,
    called,
    calls,
    does,
    returned,
    sent_results,
    tooled,
    waits,
)


both_ways = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])

STORY = does(
    {"text": "Let me look.", "tools": [{"name": "lookup", "id": "call_l"}]},
    calls("get_weather:call_a", "get_time:call_b", reason="And now?"),
    {"text": "All known."},
)
MOST_EVENTS = 80


def cut(house: House, fault: Fault) -> None:
    """Let this happen to the next answer."""
    house.letta.fail(fault, path=r"conversations/.*/messages", method="POST", times=1)


@pytest.mark.parametrize("chop", [1, 2, 3, 7, 50, 1000])
@both_ways
async def test_cut_into_pieces(key: str, chop: int) -> None:
    """However the bytes come, the events are the same."""
    async with tooled() as house:
        house.letta.fail(Fault(chop=chop), path=r"conversations/.*/messages", method="POST")
        client = ToolClient(house, "Milo", key)
        events = await client.say(STORY)
        assert_grammar(events)
        assert [(made.name, made.arguments) for made in called(events)] == [
            ("get_weather", '{"city": "Rome"}'),
            ("get_time", '{"city": "Rome"}'),
        ]
        events = await client.answer()
        assert_grammar(events)
        assert said(events) == "All known."


async def tries(client: ToolClient) -> list[str]:
    """Send the history until there is an answer; how each try ended."""
    endings = []
    while True:
        try:
            events = await client.house.ask(client.call(), client.caller)
        except Reject as reject:
            return [*endings, reject.code]
        assert_grammar(events)
        endings.append(ending(events))
        if endings[-1] in {"stop", "tool_calls"}:
            client.hear_calls(events)
            return endings
        await client.house.quiet()


async def events_of(house: House) -> int:
    """How many events the last answer had at Letta."""
    return len(list(house.letta.runs.values())[-1].blocks)


@pytest.mark.parametrize("how", ["drop", "end", "error"])
@both_ways
async def test_the_call_is_cut(key: str, how: str) -> None:
    """Wherever the stream with the calls breaks off, the client can send the same again."""
    async with tooled(several=True) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(STORY)
        count = await events_of(house)
        await client.answer()
        for after in range(count):
            client = ToolClient(
                house, "Milo", key and f"chat-{how}-{after}", messages=[user(STORY)]
            )
            cut(house, Fault(after=after, then=how))
            assert await tries(client) in (
                ["upstream_incomplete", "tool_calls"],
                ["tool_calls"],
                ["upstream_error", "tool_calls"],
            ), after
            conversation = house.latest
            assert await tries_to_answer(client) == ["stop"]
            await check(house, client, conversation, after)


async def tries_to_answer(client: ToolClient) -> list[str]:
    client.messages += [client.run(made) for made in client.asked]
    return await tries(client)


@pytest.mark.parametrize("how", ["drop", "end", "error"])
@both_ways
async def test_the_answer_is_cut(key: str, how: str) -> None:
    """Wherever the stream after the results breaks off, they have been told once in the end."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)
        await client.say(STORY)
        await client.answer()
        count = await events_of(house)
        for after in range(count):
            client = ToolClient(house, "Milo", key and f"chat-{how}-{after}")
            await client.say(STORY)
            conversation = house.latest
            cut(house, Fault(after=after, then=how))
            endings = await tries_to_answer(client)
            assert len(endings) <= 2, (after, endings)
            await check(house, client, conversation, after)


async def check(house: House, client: ToolClient, conversation: str, after: int) -> None:
    """The conversation has everything once, and goes on."""
    if client.key:
        results = [each[:2] for each in returned(house, conversation) if each[0] != "call_l"]
        assert sorted(results) == [
            ("call_a", "21 in Rome"),
            ("call_b", "noon in Rome"),
        ], after
        assert await house.told(conversation) == [STORY], after
        assert not waits(house, conversation)
        assert said(await client.say("And now?")) == "You said: And now?"
        assert await house.told(house.latest) == [STORY, "And now?"]
        assert house.latest == conversation
    else:
        await house.quiet()
        assert house.conversations() == [], after


@both_ways
async def test_the_next_call_is_lost_with_the_answer(key: str) -> None:
    """The results are not taken for its own, though it has their id; the agent may call again."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)
        await client.say(
            does(calls("get_weather:call_a"), calls("get_time:call_a"), {"text": "Done."})
        )
        conversation = house.latest
        cut(house, Fault(after=0, then="drop"))
        assert ending(await client.answer()) == "upstream_incomplete"
        await house.quiet()
        assert waits(house, conversation)
        assert said(await client.send()) == "Done."
        assert sent_results(house) == [("call_a", LOST, False)]
        assert len(house.requests("POST", "/messages")) == 3


@both_ways
async def test_words_beside_results_of_which_nothing_was_heard(key: str) -> None:
    """Whatever the user adds to them, each time again, the agent is told once."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", key)
        await client.say(TWO)
        client.messages += [client.run(made) for made in client.asked]
        shown = listening(house)
        for text in ("And this.", "And that.", "And what?"):
            client.messages.append(user(text))
            cut(house, Fault(after=0, then="drop"))
            assert ending(await house.ask(client.call(), client.caller)) == "upstream_incomplete"
            await house.quiet()
        assert ending(await client.say("Well?")) == "stop"
        told = [text for role, text in shown[-1] if role == "user"]
        assert told == [TWO, "And this.", "And that.", "And what?", "Well?"]


@both_ways
async def test_the_client_leaves_in_the_middle_of_a_call(key: str) -> None:
    """Wherever it leaves: nothing waits for it, and the chat can go on."""
    async with tooled() as house:
        for after in range(MOST_EVENTS):
            client = ToolClient(house, "Milo", key and f"chat-{after}", messages=[user(TWO)])
            if await leaves(client, after):
                break
            assert said(await client.say("Hello?")) == "You said: Hello?"
            if key:
                assert await house.told(house.latest) == [TWO, "Hello?"], after
                assert not waits(house, house.latest)
        else:
            raise AssertionError("it never came to its end")


async def leaves(client: ToolClient, after: int) -> bool:
    """Leave after so many events; true if the end was among them."""
    seen = 0
    async with await client.house.begin(client.call(), client.caller) as exchange:
        async for batch in exchange:
            seen += len(batch)
            if exchange.ending is not None:
                return True
            if seen >= after:
                break
    await client.house.quiet()
    return False


@both_ways
async def test_the_client_leaves_while_its_results_are_read(key: str) -> None:
    """The results are told once, whether the agent had got them or not."""
    async with tooled() as house:
        for after in range(MOST_EVENTS):
            client = ToolClient(house, "Milo", key and f"chat-{after}")
            await client.say(TWO)
            conversation = house.latest
            client.messages += [client.run(made) for made in client.asked]
            if await leaves(client, after):
                break
            # Or the agent was quicker: its answer is there, and nobody has heard it.
            assert await tries(client) in (["stop"], ["tool_call_not_pending"])
            assert said(await client.say("Hello?")) == "You said: Hello?"
            if key:
                assert len(returned(house, conversation)) == 2, after
                assert await house.told(conversation) == [TWO, "Hello?"]
        else:
            raise AssertionError("it never came to its end")
