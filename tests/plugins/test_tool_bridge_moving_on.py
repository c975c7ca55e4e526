"""No agent is left waiting: whoever says something else denies what is pending with it."""

from __future__ import annotations

import pytest

from gateway.call import Message
from gateway.testing.fakeletta import Fault, ServerTool
from tests.plugins.client import Client, ending, refusal, said, user
from tests.plugins.house import House
from tests.plugins.tool_client import (
    ONE,
    TWO,
    ToolClient,
    bridged,
    called,
    calls,
    does,
    milo,
    sent_results,
    tooled,
    waits,
)


kept = pytest.mark.parametrize(
    ("key", "mode"), [("chat-1", "stateless"), ("", "agent")], ids=["keyed", "ongoing"]
)


def denied(house: House, *call_ids: str) -> None:
    """These calls were denied, in the same request as the user's new message."""
    body = house.requests("POST", "/messages")[-1]
    answers = sent_results(house)
    assert [call_id for call_id, _, _ in answers] == list(call_ids)
    assert all("moved on" in text and not ok for _, text, ok in answers)
    assert [each.get("role") for each in body["messages"]] == [None, "user"]


@kept
async def test_the_user_moves_on(key: str, mode: str) -> None:
    """A plain message denies the calls, with a reason that the agent can read."""
    async with tooled(mode=mode) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(TWO)
        events = await client.say("Forget it.")
        assert said(events) == "You said: Forget it."
        denied(house, "call_a", "call_b")
        assert len(house.requests("POST", "/messages")) == 2
        assert not waits(house, house.latest)


@kept
async def test_late_results_after_that(key: str, mode: str) -> None:
    """They are refused: the agent has been told that they would not come."""
    async with tooled(mode=mode) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(ONE)
        late = Message("assistant", (), tool_calls=client.asked), client.run(client.asked[0])
        await client.say("Forget it.")
        client.messages += late
        assert (await refusal(client.send())).code == "tool_call_not_pending"


@kept
async def test_the_agent_calls_again(key: str, mode: str) -> None:
    """The new message may bring new calls."""
    async with tooled(mode=mode) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(does(calls("get_weather:call_1"), {"text": "Never."}))
        await client.say(does(calls("get_time:call_1"), {"text": "Noon."}))
        assert [made.name for made in client.asked] == ["get_time"]
        assert said(await client.answer()) == "Noon."


async def test_another_client_in_the_ongoing_conversation() -> None:
    """It is not kept waiting; the first can not answer any more."""
    async with tooled(mode="agent") as house:
        ada, eve = (ToolClient(house, "Milo", caller=name) for name in ("ada", "eve"))
        await ada.say(ONE)
        assert said(await eve.say("Hello.")) == "You said: Hello."
        assert (await refusal(ada.answer())).code == "tool_call_not_pending"


async def test_a_client_without_tools() -> None:
    """So does a client that has none."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(ONE)
        plain = Client(house, "Milo", "chat-1", messages=client.messages)
        assert said(await plain.say("Hello.")) == "You said: Hello."


@pytest.mark.parametrize("same_store", [True, False], ids=["survives", "is lost"])
async def test_a_restart_of_the_gateway(same_store: bool) -> None:
    """With a store that survives, the results are taken; else the chat begins anew."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(ONE)
        store = house.store.restarted() if same_store else None
        async with bridged(house.letta, store=store) as restarted:
            client.house = restarted
            if same_store:
                assert said(await client.answer()) == "It is warm."
            else:
                assert (await refusal(client.answer())).code == "tool_call_not_pending"
                client.forget()
            assert said(await client.say("Hello.")) == "You said: Hello."


async def test_a_restart_in_between_without_a_chat() -> None:
    """A request's own conversation is found again, too."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        async with bridged(house.letta, store=house.store.restarted()) as restarted:
            assert said(await client.at(restarted).answer()) == "It is warm."
            await restarted.quiet()
            assert restarted.conversations() == []


@kept
async def test_calls_that_the_store_does_not_know(key: str, mode: str) -> None:
    """Another program left them pending: Letta is asked which, and they are denied."""
    async with tooled(mode=mode) as house:
        client = ToolClient(house, "Milo", key)
        await client.say("hi")
        await leave_pending(house)
        events = await client.say("Hello.")
        assert said(events) == "You said: Hello."
        denied(house, "call_x")
        assert [each["content"] for each in user_messages(house)].count("Hello.") == 1


async def test_a_tool_of_the_agents_own_that_nobody_approved() -> None:
    """It is denied as well, and the agent goes on."""
    async with tooled() as house:
        secret = ServerTool("secret", lambda: "no", requires_approval=True)
        milo(house).attach(secret)
        client = ToolClient(house, "Milo", "chat-1")
        script = does({"tools": [{"name": "secret", "id": "call_s"}]}, {"text": "Told."})
        assert ending(await client.say(script)) == "pending_approval"
        assert said(await client.say("Hello.")) == "You said: Hello."
        denied(house, "call_s")


async def test_the_agents_default_conversation() -> None:
    """There, too."""
    async with tooled(mode="agent", agent_conversation="default") as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        assert milo(house).context.pending is not None
        assert said(await client.say("Forget it.")) == "You said: Forget it."
        await client.say(ONE)
        assert said(await client.answer()) == "It is warm."


async def test_a_cancel_elsewhere_denies_what_the_default_conversation_waits_for() -> None:
    """Letta does that; the results are then refused, and not sent where nobody waits."""
    async with tooled(mode="agent", agent_conversation="default") as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        other = ToolClient(house, "Milo", "chat-1")
        await other.stop(does({"text": "w" * 300, "n": 1, "delay": 1}))
        assert milo(house).context.pending is None
        assert (await refusal(client.answer())).code == "tool_call_not_pending"
        client.forget()
        assert said(await client.say("Hello.")) == "You said: Hello."


async def test_a_conversation_that_is_gone() -> None:
    """A chat whose conversation was deleted with calls pending begins anew from its history."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(ONE)
        await house.api.delete_conversation(house.latest)
        events = await client.say(ONE)
        assert [made.name for made in called(events)] == ["get_weather"]
        assert said(await client.answer()) == "It is warm."


async def test_results_for_a_conversation_that_is_gone() -> None:
    """They are refused, and the user can go on."""
    async with tooled(mode="agent") as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        await house.api.delete_conversation(house.latest)
        assert (await refusal(client.answer())).code == "tool_call_not_pending"
        client.forget()
        assert said(await client.say("Hello.")) == "You said: Hello."


async def test_a_new_answer_to_the_turn_that_called() -> None:
    """Regenerate, while calls wait: it begins anew, and the old calls hold nobody up."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(ONE)
        client.forget()
        events = await client.send()
        assert [made.name for made in called(events)] == ["get_weather"]
        assert said(await client.answer()) == "It is warm."


async def test_letta_is_down_meanwhile() -> None:
    """Nothing is lost: the next try denies what is pending."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(ONE)
        rule = house.letta.fail(Fault(status=500), path="/messages", method="POST")
        await client.say("Hello.")
        rule.times = 0
        client.forget()
        assert said(await client.say("Hello.")) == "You said: Hello."
        assert not waits(house, house.latest)


async def leave_pending(house: House) -> None:
    """Another program lets the agent call a tool, and goes away."""
    stream = await house.api.client.conversations.messages.create(
        house.latest,
        messages=[{"role": "user", "content": does(calls("theirs:call_x"), {"text": "Hm."})}],
        client_tools=[{"name": "theirs", "parameters": {"type": "object", "properties": {}}}],
    )
    assert [chunk async for chunk in stream]


def user_messages(house: House) -> list[dict[str, str]]:
    """All that Letta has kept of the user's in the conversation spoken to last."""
    log = house.letta.conversations[house.latest].context.log
    return [{"content": message.content} for message in log if message.kind == "user"]


async def test_every_message_is_kept_once() -> None:
    """Whatever was denied and sent once more."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        for text in ("one", ONE, "two", TWO, "three"):
            await client.say(text)
        told = [each["content"] for each in user_messages(house)]
        assert told == ["one", ONE, "two", TWO, "three"]
        assert client.messages[-2] == user("three")
