"""Requests with results: which are taken, and which are refused with words."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import attrs
import pytest

from gateway.call import Call, Message, ToolCall
from gateway.errors import Reject
from gateway.plugin import Context, NoConfig, Plugin, Turn
from tests.plugins.client import Client, assistant, ending, listening, refusal, said, user
from tests.plugins.house import House
from tests.plugins.tool_client import (
    ONE,
    TWO,
    ToolClient,
    bridged,
    called,
    calls,
    does,
    result,
    sent_results,
    tooled,
    waits,
)


both_ways = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])
everywhere = pytest.mark.parametrize(
    ("key", "mode"),
    [("", "stateless"), ("chat-1", "stateless"), ("", "agent")],
    ids=["scratch", "keyed", "ongoing"],
)


def refused(reject: Reject, code: str) -> str:
    """It is the client's mistake, and to send it again would not help; what it says."""
    assert (reject.status, reject.code, reject.param) == (400, code, "messages")
    assert not reject.retry
    return reject.message


def asked_of_letta(house: House) -> int:
    """How many times the agent was asked something."""
    return len(house.requests("POST", "/messages"))


class TestPart:
    @everywhere
    async def test_is_refused(self, key: str, mode: str) -> None:
        """The ids that are missing are named, and nothing is lost: the whole is taken."""
        async with tooled(mode=mode) as house:
            client = ToolClient(house, "Milo", key)
            await client.say(TWO)
            first, second = client.asked
            text = refused(
                await refusal(client.answer_with(client.run(first))), "tool_results_missing"
            )
            assert second.id in text
            assert first.id not in text
            assert asked_of_letta(house) == 1
            assert said(await client.answer_with(client.run(second))) == "Both known."

    @both_ways
    async def test_when_the_user_goes_on(self, key: str) -> None:
        """What has a result gets it; the rest is denied, and the agent hears the user."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", key)
            await client.say(TWO)
            client.messages += [client.run(client.asked[0]), user("Never mind the time.")]
            assert said(await client.send()) == "You said: Never mind the time."
            first, second = sent_results(house)
            assert first == ("call_a", "21 in Rome", True)
            assert (second[0], second[2]) == ("call_b", False)
            assert "moved on" in second[1]


class TestTooLate:
    @everywhere
    async def test_answered_twice(self, key: str, mode: str) -> None:
        """The second time there is nothing that waits; the agent hears nothing of it."""
        async with tooled(mode=mode) as house:
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            made = client.asked
            await client.answer()
            client.forget()  # the reply: the same request is sent again
            await house.quiet()
            text = refused(await refusal(client.send()), "tool_call_not_pending")
            assert made[0].id in text
            assert asked_of_letta(house) == 2

    @everywhere
    async def test_twice_at_once(self, key: str, mode: str) -> None:
        """One is taken, the other is told so."""
        async with tooled(mode=mode) as house:
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            client.messages += [client.run(made) for made in client.asked]
            twins = [house.ask(client.call(), "anonymous") for _ in range(2)]
            first, second = await asyncio.gather(*twins, return_exceptions=True)
            if isinstance(first, Reject):
                first, second = second, first
            assert isinstance(first, list)
            assert said(first) == "It is warm."
            assert isinstance(second, Reject)
            refused(second, "tool_call_not_pending")
            assert asked_of_letta(house) == 2

    @both_ways
    async def test_an_older_round_while_another_waits(self, key: str) -> None:
        """Results of an earlier round are not those of the calls that wait now."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", key)
            await client.say(
                does(calls("get_weather:call_1"), calls("get_time:call_1"), {"text": "Done."})
            )
            old = client.run(client.asked[0])
            await client.answer_with(old)
            refused(await refusal(client.answer_with(old)), "tool_call_not_pending")
            client.forget()
            assert said(await client.answer()) == "Done."

    @everywhere
    async def test_expired(self, key: str, mode: str) -> None:
        """After `pending_minutes` a call cannot be answered any more; the user can go on."""
        brief = {"pending_minutes": 1e-9}
        async with tooled(mode=mode, bridge=brief, scratch_minutes=1e-9) as house:
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            refused(await refusal(client.answer()), "tool_call_not_pending")
            client.forget()
            assert ending(await client.say("Then tell me something else.")) == "stop"

    @both_ways
    async def test_somebody_has_answered_at_letta(self, key: str) -> None:
        """What another program has answered is not sent a second time."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", key)
            await client.say(does(calls("get_weather:call_1"), {"text": "Warm."}))
            await answer_at_letta(house, "call_1")
            refused(await refusal(client.answer()), "tool_call_not_pending")
            assert asked_of_letta(house) == 2


@attrs.define
class Quicker(Turn):
    """In the last moment, another program makes the agent forget what it waits for."""

    house: list[House]

    async def prepare(self, call: Call) -> Call:
        if call.answers:
            self.house[0].letta.conversations[self.house[0].latest].context.window.pop()
        return call


class Quick(Plugin[NoConfig]):
    house: ClassVar[list[House]] = []

    def begin(self, context: Context) -> Turn:
        return Quicker(self.house)


async def test_somebody_is_quicker_at_letta() -> None:
    """Letta then refuses the results; nobody believes later that it has them."""
    async with tooled(below=[Quick(NoConfig())]) as house:
        Quick.house[:] = [house]
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(ONE)
        assert ending(await client.answer()) == "tool_call_not_pending"
        refused(await refusal(client.send()), "tool_call_not_pending")


async def answer_at_letta(house: House, call_id: str) -> None:
    """Another program answers the call that waits."""
    given = {"type": "tool", "tool_call_id": call_id, "tool_return": "21", "status": "success"}
    stream = await house.api.client.conversations.messages.create(
        house.latest, messages=[{"type": "tool_return", "tool_returns": [given]}]
    )
    assert [chunk async for chunk in stream]


class TestStrangers:
    @everywhere
    async def test_another_caller(self, key: str, mode: str) -> None:
        """Nobody can answer the calls of another, and they stay pending."""
        async with tooled(mode=mode) as house:
            client = ToolClient(house, "Milo", key, caller="ada")
            await client.say(ONE)
            thief = ToolClient(house, "Milo", key, caller="eve", messages=[*client.messages])
            refused(await refusal(thief.answer()), "tool_call_not_pending")
            assert said(await client.answer()) == "It is warm."

    @everywhere
    async def test_ids_that_nobody_gave_out(self, key: str, mode: str) -> None:
        """Ids of our form alone open nothing."""
        async with tooled(mode=mode) as house:
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            guessed = f"{client.asked[0].id[:-1]}x", "call-lg0123456789ab"
            text = await refusal(client.answer_with(*(result(each, "21") for each in guessed)))
            assert text.code == "tool_call_not_pending"
            client.forget(2)
            assert said(await client.answer()) == "It is warm."

    async def test_two_chats_of_one_client(self) -> None:
        """A result goes to the chat that asked, whatever ids the model gives."""
        async with tooled() as house:
            script = does(calls("get_weather:call_1"), {"text": "Warm."})
            ada, bob = (ToolClient(house, "Milo", key) for key in ("a", "b"))
            await ada.say(script)
            await bob.say(script)
            swapped = result(bob.asked[0], "21")
            refused(await refusal(ada.answer_with(swapped)), "tool_call_not_pending")
            ada.forget()
            assert said(await ada.answer()) == said(await bob.answer()) == "Warm."


FOREIGN = [
    user("What is the weather?"),
    Message("assistant", (), tool_calls=(ToolCall("call_9", "get_weather", '{"city":"Oslo"}'),)),
    result("call_9", "3 degrees"),
]


class TestForeignRounds:
    async def test_older_rounds_without_a_chat(self) -> None:
        """Rounds of tools in the history are told in words, whosever they were."""
        async with tooled() as house:
            shown = listening(house)
            await Client(house, "Milo", messages=[*FOREIGN, assistant("Cold.")]).say("And now?")
            assert shown == [
                [
                    ("user", "What is the weather?"),
                    ("assistant", '\n[Called the tool get_weather as call_9: {"city":"Oslo"}]'),
                    ("user", "[Result of the tool call call_9]\n3 degrees"),
                    ("assistant", "Cold."),
                    ("user", "And now?"),
                ]
            ]

    async def test_a_round_of_another_provider_without_a_chat(self) -> None:
        """It is told in words, and the agent goes on from it."""
        async with tooled() as house:
            shown = listening(house)
            events = await ToolClient(house, "Milo", messages=[*FOREIGN]).send()
            assert ending(events) == "stop"
            assert shown[0][-1] == ("user", "[Result of the tool call call_9]\n3 degrees")

    async def test_a_new_chat_with_a_history(self) -> None:
        """A chat that began elsewhere is taken over, its rounds of tools included."""
        async with tooled() as house:
            shown = listening(house)
            client = ToolClient(house, "Milo", "chat-1", messages=[*FOREIGN])
            assert ending(await client.send()) == "stop"
            assert ending(await client.say("And now?")) == "stop"
            assert shown[-1][-1] == ("user", "And now?")

    @pytest.mark.parametrize(("key", "mode"), [("chat-1", "stateless"), ("", "agent")])
    async def test_in_a_chat_that_goes_on(self, key: str, mode: str) -> None:
        """Results of calls that were never made there are refused: nothing else is new."""
        async with tooled(mode=mode) as house:
            client = ToolClient(house, "Milo", key)
            await client.say("hi")
            client.messages += FOREIGN[1:]
            refused(await refusal(client.send()), "tool_call_not_pending")
            assert ending(await client.say("What else?")) == "stop"
            assert asked_of_letta(house) == 2

    async def test_our_own_rounds_in_a_chat_that_is_fed_anew(self) -> None:
        """A turn that is answered anew takes what was called before along, in words."""
        async with tooled() as house:
            client = ToolClient(house, "Milo", "chat-1")
            await client.talk(ONE)
            await client.say("two")
            client.forget()
            shown = listening(house)
            await client.send()
            told = [text for _, text in shown[0]]
            assert any("[Called the tool get_weather as" in text for text in told)
            assert any("21 in Rome" in text for text in told)


class TestBusy:
    async def test_a_scratch_conversation(self) -> None:
        """Whoever waits too long for another answer of the same calls is told so."""
        async with tooled(wait_seconds=0.0) as house:
            client = ToolClient(house, "Milo")
            await client.say(does(calls("get_weather"), {"text": "w" * 400, "n": 1, "delay": 1}))
            client.messages += [client.run(made) for made in client.asked]
            async with await house.begin(client.call()) as exchange:
                await anext(aiter(exchange))
                reject = await refusal(house.ask(client.call()))
                assert (reject.status, reject.code) == (409, "conversation_busy")
                assert not reject.retry


async def test_without_the_users_message() -> None:
    """A client may have cut its history short: the results alone are enough."""
    async with tooled() as house:
        for key in ("", "chat-1"):
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            del client.messages[0]
            assert said(await client.answer()) == "It is warm."


async def test_results_are_not_offered_again() -> None:
    """The tools go along with the results only if the client sends them."""
    async with tooled() as house:
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        client.tools, tools = {}, client.tools
        client.messages += [result(made, tools[made.name]()) for made in client.asked]
        assert said(await client.send()) == "It is warm."
        assert "client_tools" not in house.requests("POST", "/messages")[-1]


async def test_a_result_that_looks_like_an_assistants() -> None:
    """The results are those since the assistant last spoke, and no others."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.talk(ONE)
        events = await client.say("Thanks.")
        assert called(events) == ()
        assert said(events) == "You said: Thanks."
        assert not waits(house, house.latest)


async def test_two_gateways_on_one_store() -> None:
    """The call goes out through one, and the result comes in through the other."""
    async with tooled() as house, bridged(house.letta, store=house.store) as other:
        for key in ("", "chat-1"):
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            assert said(await client.at(other).answer()) == "It is warm."
