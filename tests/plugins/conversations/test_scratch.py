from __future__ import annotations

import pytest

from gateway.events import ToolArgsDelta
from gateway.testing.fakeletta import Fault
from tests.plugins.client import FAILS, ending, refusal, said, user
from tests.plugins.tool_client import ONE, TWO, ToolClient, does, sent_results, tooled, waits


async def test_it_is_kept_while_calls_wait() -> None:
    """As long as that takes; all its calls lead to it."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(TWO)
        await house.quiet()
        (conversation,) = house.conversations("scratch")
        assert waits(house, conversation)
        await client.answer()
        assert house.latest == conversation
        await house.quiet()
        assert house.conversations() == []


async def test_an_answer_that_fails() -> None:
    """The results can be sent again: they are told once, and the agent goes on."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        step = {"tools": [{"name": "get_weather", "id": "call_a", "args": {"city": "Rome"}}]}
        await client.say(does(step, {"status": 500}, {"text": "Warm after all."}))
        assert ending(await client.answer()) == "upstream_model_error"
        assert sent_results(house) == [("call_a", "21 in Rome", True)]
        await house.quiet()
        assert house.conversations("scratch")
        requests = len(house.requests("POST", "/messages"))
        assert ending(await client.send()) == "upstream_model_error"
        again = house.requests("POST", "/messages")[requests:]
        assert [message["role"] for message in again[0]["messages"]] == ["system"]


@pytest.mark.parametrize("after", range(5))
async def test_words_beside_results_when_the_answer_is_lost(after: int) -> None:
    """They are told once, wherever the stream breaks off."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        conversation = house.latest
        client.messages += [client.run(made) for made in client.asked]
        client.messages.append(user("And be brief."))
        fault = Fault(after=after, then="drop")
        house.letta.fail(fault, path="conversations/.*/messages", method="POST", times=1)
        assert ending(await house.ask(client.call())) == "upstream_incomplete"
        await house.quiet()
        context = house.letta.conversations[conversation].context
        assert ending(await house.ask(client.call())) == "stop"
        told = [message.content for message in context.log if message.kind == "user"]
        assert told == [ONE, "And be brief."]


async def test_a_chat_that_was_given_up() -> None:
    """Results of old calls are of no use beside new words: those are told with the history."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        client.messages += [client.run(made) for made in client.asked]
        house.store.inner = type(house.store.inner)()  # it has forgotten
        assert (await refusal(client.send())).code == "tool_call_not_pending"
        assert said(await client.say("Hello?")) == "You said: Hello?"


async def test_the_first_answer_fails() -> None:
    """There is nothing to wait for."""
    async with tooled() as house:
        await ToolClient(house, "Milo").say(FAILS)
        await house.quiet()
        assert house.conversations() == []


async def test_the_client_leaves_in_the_middle_of_the_arguments() -> None:
    """The conversation is deleted: nobody will answer."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        slow = {"tools": [{"name": "get_weather", "args": {"city": "x" * 200}}], "delay": 1}
        client.messages.append(user(does(slow)))
        async with await house.begin(client.call()) as exchange:
            async for batch in exchange:
                if any(isinstance(event, ToolArgsDelta) for event in batch):
                    break
        await house.quiet()
        assert house.conversations() == []
