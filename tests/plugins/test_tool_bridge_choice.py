"""`tool_choice`: what Letta cannot force is asked for, once more if need be."""

from __future__ import annotations

import pytest

from gateway.call import ToolChoice
from gateway.events import Error, Event, TextDelta
from gateway.pipeline.exchange import Exchange
from gateway.testing.fakeletta import Ask, Step, ToolUse
from gateway.testing.kit import assert_grammar
from tests.plugins.client import ending, said, user
from tests.plugins.house import House
from tests.plugins.tool_client import (
    ONE,
    ToolClient,
    called,
    milo,
    sent_results,
    tooled,
    waits,
)


ANY = ToolChoice("required")
TIME = ToolChoice("required", "get_time")


def heeds(house: House, *answers: Step) -> list[Ask]:
    """The model does these things in turn, whatever it is told; what it is asked."""
    asked: list[Ask] = []

    def script(ask: Ask) -> list[Step]:
        asked.append(ask)
        return [answers[len(asked) - 1]] * 20

    milo(house).script = script
    return asked


async def unmet(client: ToolClient, text: str) -> tuple[list[Event], bool]:
    """An answer, and whether it lacks a call."""
    client.messages.append(user(text))
    exchange: Exchange = await client.house.begin(client.call())
    async with exchange:
        events = [event async for batch in exchange for event in batch]
    client.hear_calls(events)
    return events, exchange.unmet


async def test_none() -> None:
    """The tools are kept from the agent."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", choice=ToolChoice("none"))
        assert said(await client.say("hi")) == "You said: hi"
        assert "client_tools" not in house.requests("POST", "/messages")[0]


async def test_none_with_results() -> None:
    """Results are taken all the same."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        client.choice = ToolChoice("none")
        assert said(await client.answer()) == "It is warm."


@pytest.mark.parametrize(("choice", "name"), [(ANY, "get_weather"), (TIME, "get_time")])
async def test_the_agent_is_asked_for_a_call(choice: ToolChoice, name: str) -> None:
    """In words, ahead of the user's message; when it calls, nothing else happens."""
    async with tooled() as house:
        asked = heeds(house, Step(tools=(ToolUse(name),)))
        client = ToolClient(house, "Milo", choice=choice)
        events, lacks = await unmet(client, "What?")
        assert_grammar(events)
        assert [made.name for made in called(events)] == [name]
        assert not lacks
        (ask,) = asked
        told = [message.text for message in ask.messages if message.role == "system"]
        assert name in told[-1]
        assert ("get_weather" in told[-1]) is (choice is ANY)


@pytest.mark.parametrize("choice", [ANY, TIME])
@pytest.mark.parametrize("key", ["", "chat-1"])
async def test_an_agent_that_does_not_call(choice: ToolChoice, key: str) -> None:
    """It is asked once more, in the same conversation, and the client sees that answer only."""
    async with tooled() as house:
        asked = heeds(house, Step("I would rather talk."), Step(tools=(ToolUse("get_time"),)))
        client = ToolClient(house, "Milo", key, choice=choice)
        events, lacks = await unmet(client, "What time is it?")
        assert_grammar(events)
        assert [made.name for made in called(events)] == ["get_time"]
        assert said(events) == ""
        assert not lacks
        users = [m.text for m in asked[1].messages if m.role == "user"]
        assert users == ["What time is it?"]


async def test_an_agent_that_never_calls() -> None:
    """Its text goes out, and it is said that the call is lacking."""
    async with tooled() as house:
        heeds(house, Step("No."), Step("I said no."))
        client = ToolClient(house, "Milo", choice=ANY)
        events, lacks = await unmet(client, "What time is it?")
        assert_grammar(events)
        assert said(events) == "I said no."
        assert ending(events) == "stop"
        assert lacks
        assert len(house.requests("POST", "/messages")) == 2


async def test_an_agent_that_calls_another_tool() -> None:
    """That call is denied, and it is asked once more for the right one."""
    async with tooled() as house:
        heeds(
            house,
            Step(tools=(ToolUse("get_weather", id="call_w"),)),
            Step(tools=(ToolUse("get_time"),)),
            Step("Noon."),
        )
        client = ToolClient(house, "Milo", "chat-1", choice=TIME)
        events, lacks = await unmet(client, "What time is it?")
        assert [made.name for made in called(events)] == ["get_time"]
        assert not lacks
        ((call_id, text, ok),) = sent_results(house)
        assert (call_id, ok) == ("call_w", False)
        assert "another tool" in text
        client.choice = ToolChoice()
        assert said(await client.answer()) == "Noon."


async def test_an_agent_that_insists_on_another_tool() -> None:
    """The second time its call goes to the client: it can be answered like any other."""
    async with tooled() as house:
        heeds(
            house,
            Step(tools=(ToolUse("get_weather", id="call_1"),)),
            Step(tools=(ToolUse("get_weather", id="call_2"),)),
            Step("Warm."),
        )
        client = ToolClient(house, "Milo", "chat-1", choice=TIME)
        events, lacks = await unmet(client, "What time is it?")
        assert [made.name for made in called(events)] == ["get_weather"]
        assert lacks
        client.choice = ToolChoice()
        assert said(await client.answer()) == "Warm."
        assert not waits(house, house.latest)


async def test_own_tools_and_words_before_the_call() -> None:
    """What comes before the call is shown once the call has come."""
    async with tooled() as house:
        heeds(
            house,
            Step("Let me look. ", tools=(ToolUse("lookup"),)),
            Step(tools=(ToolUse("get_time"),)),
        )
        client = ToolClient(house, "Milo", choice=ANY)
        events, lacks = await unmet(client, "What time is it?")
        assert_grammar(events)
        assert said(events) == "Let me look. "
        assert any(isinstance(event, TextDelta) for event in events)
        assert not lacks


async def test_a_model_that_fails_meanwhile() -> None:
    """The error is told, and no call is said to be lacking."""
    async with tooled() as house:
        heeds(house, Step("No."), Step(status=500))
        client = ToolClient(house, "Milo", "chat-1", choice=ANY)
        events, lacks = await unmet(client, "What time is it?")
        assert isinstance(events[-1], Error)
        assert not lacks
        client.choice = ToolChoice()
        heeds(house, Step("Fine."))
        assert said(await client.say("Well then.")) == "Fine."
