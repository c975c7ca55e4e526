"""Chains of responses: each names the one that it follows, and any may be followed twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from gateway.call import Call, Message, Tool, ToolCall
from gateway.events import Event, ToolArgsDelta, ToolCallStart
from gateway.testing.fakeletta import FakeLetta
from gateway.thread import Thread
from tests.plugins.client import FAILS, TALKS_LONG, assistant, ending, housed, refusal, said, user
from tests.plugins.house import House, built
from tests.plugins.tool_client import ONE, TWO, tooled


@attrs.frozen
class Response:
    """A response, all that led to it, and the calls that it made."""

    reply: str
    history: tuple[Message, ...]
    events: Sequence[Event]

    @property
    def text(self) -> str:
        return said(self.events)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """What the client is asked to run."""
        made = [e for e in self.events if isinstance(e, ToolCallStart) and e.client_side]
        return tuple(ToolCall(e.call_id, e.name, self._arguments(e.call_id)) for e in made)

    def results(self) -> tuple[Message, ...]:
        """What they give back."""
        return tuple(Message("tool", user("21").parts, tool_call_id=c.id) for c in self.calls)

    def _arguments(self, call_id: str) -> str:
        deltas = [e for e in self.events if isinstance(e, ToolArgsDelta)]
        return "".join(each.json for each in deltas if each.call_id == call_id)


@attrs.define
class Chain:
    """Asks for responses as the surface does: with the history, and where they stand in it."""

    house: House
    model: str = "Milo"
    tools: tuple[Tool, ...] = ()
    headers: dict[str, str] = attrs.field(factory=dict)
    _number: int = 0

    async def ask(self, *new: Message | str, after: Response | None = None) -> Response:
        self._number += 1
        reply = f"r{self._number}"
        told = tuple(user(each) if isinstance(each, str) else each for each in new)
        call = self.call(told, reply, after)
        events = await self.house.ask(call)
        made = Response(reply, call.messages, events)
        answer = attrs.evolve(assistant(made.text), tool_calls=made.calls)
        return attrs.evolve(made, history=(*call.messages, answer))

    def call(self, new: tuple[Message, ...], reply: str, after: Response | None) -> Call:
        before = after.history if after else ()
        first = 1 + sum(message.role == "user" for message in before)
        parent = after.reply if after else ""
        thread = Thread("chain", parent=parent, reply=reply, first=first, passing=True)
        return Call(
            self.model,
            (*before, *new),
            headers=self.headers,
            thread=thread,
            stream=True,
            tools=self.tools,
        )


WEATHER = (Tool("get_weather"), Tool("get_time"))


async def test_what_follows_is_all_that_is_told() -> None:
    """A chain goes on in one conversation, and each message is sent once."""
    async with housed() as house:
        chain = Chain(house)
        first = await chain.ask("one")
        second = await chain.ask("two", after=first)
        await chain.ask("three", after=second)
        assert await house.told(house.latest) == ["one", "two", "three"]
        assert len(house.conversations()) == 1
        sent = [body["messages"] for body in house.requests("POST", "/messages")]
        assert [len(messages) for messages in sent] == [1, 1, 1]


async def test_several_messages_at_once() -> None:
    """All that is new is told, however many turns it is."""
    async with housed() as house:
        chain = Chain(house)
        first = await chain.ask("one", "two")
        await chain.ask("three", "four", after=first)
        assert await house.told(house.latest) == ["one", "two", "three", "four"]


async def test_a_response_that_is_followed_twice() -> None:
    """The second time begins a branch, which knows nothing of the first; both go on."""
    async with housed() as house:
        chain = Chain(house)
        first = await chain.ask("one")
        left = await chain.ask("left", after=first)
        right = await chain.ask("right", after=first)
        assert await house.told(house.latest) == ["one", "right"]
        await chain.ask("more left", after=left)
        assert await house.told(house.latest) == ["one", "left", "more left"]
        await chain.ask("more right", after=right)
        assert await house.told(house.latest) == ["one", "right", "more right"]
        assert len(house.conversations()) == 2


async def test_chains_do_not_hear_of_one_another() -> None:
    """Each begins with nothing."""
    async with housed() as house:
        await Chain(house).ask("one")
        other = Chain(house)
        call = attrs.evolve(
            other.call((user("two"),), "x", None),
            thread=Thread("y", reply="x", first=1, passing=True),
        )
        await house.ask(call)
        assert await house.told(house.latest) == ["two"]


async def test_a_chain_passes() -> None:
    """Its conversation says for how long it is kept: whoever finds it later deletes it."""
    async with housed(scratch_minutes=5) as house:
        await Chain(house).ask("one")
        (conversation,) = house.conversations()
        assert house.letta.conversations[conversation].summary == (
            "letta-gateway: scratch, kept for 300 s"
        )


async def test_a_conversation_that_is_gone() -> None:
    """The chain goes on in another, which is told everything."""
    async with housed() as house:
        chain = Chain(house)
        first = await chain.ask("one")
        await house.api.delete_conversation(house.latest)
        await chain.ask("two", after=first)
        assert await house.told(house.latest) == ["one", "two"]


@pytest.mark.parametrize("failing", [FAILS, "@@drop@@"])
async def test_a_response_that_failed_is_followed(failing: str) -> None:
    """What it was asked is not lost, and is told once."""
    async with housed() as house:
        chain = Chain(house)
        first = await chain.ask("one")
        second = await chain.ask(failing, after=first)
        assert ending(second.events) != "stop"
        third = await chain.ask("three", after=second)
        assert third.text == "You said: three"
        assert await house.told(house.latest) == ["one", failing, "three"]


async def test_results_of_calls() -> None:
    """They are answered where the calls were made, and what follows goes on there."""
    async with tooled() as house:
        chain = Chain(house, tools=WEATHER)
        first = await chain.ask(TWO)
        assert len(first.calls) == 2
        second = await chain.ask(*first.results(), after=first)
        assert second.calls == ()
        await chain.ask("thanks", after=second)
        assert len(house.conversations()) == 1
        assert await house.told(house.latest) == [TWO, "thanks"]


async def test_a_response_with_calls_is_followed_twice() -> None:
    """With results, and with something else: that is another branch."""
    async with tooled() as house:
        chain = Chain(house, tools=WEATHER)
        first = await chain.ask(ONE)
        await chain.ask(*first.results(), after=first)
        await chain.ask("never mind", after=first)
        assert len(house.conversations()) == 2
        assert (await house.told(house.latest))[-1] == "never mind"


async def test_who_moves_on() -> None:
    """Something else instead of results is said where the calls wait."""
    async with tooled() as house:
        chain = Chain(house, tools=WEATHER)
        first = await chain.ask(ONE)
        second = await chain.ask("never mind", after=first)
        assert second.text == "You said: never mind"
        assert len(house.conversations()) == 1


async def test_who_resends_everything_instead_of_following() -> None:
    """Results find the conversation of their calls, whatever chain they begin."""
    async with tooled() as house:
        chain = Chain(house, tools=WEATHER)
        first = await chain.ask(ONE)
        conversation = house.latest
        other = Chain(house, tools=WEATHER)
        call = other.call((*first.history, *first.results()), "s1", None)
        elsewhere = attrs.evolve(call.thread, chat="other")
        events = await house.ask(attrs.evolve(call, thread=elsewhere))
        assert (said(events), ending(events)) == ("It is warm.", "stop")
        assert house.latest == conversation


async def test_results_of_calls_that_nobody_made() -> None:
    """They are refused, as everywhere."""
    async with tooled() as house:
        chain = Chain(house, tools=WEATHER)
        stray = Message("tool", user("21").parts, tool_call_id="call_x-lg0123456789ab")
        assert (await refusal(chain.ask("one", assistant("a"), stray))).code == (
            "tool_call_not_pending"
        )


async def test_in_a_chat_that_has_a_name() -> None:
    """The chat's own conversation is gone on in, and left for a branch."""
    async with housed() as house:
        chain = Chain(house, headers={"x-letta-chat-key": "named"})
        first = await chain.ask("one")
        second = await chain.ask("two", after=first)
        assert await house.told(house.latest) == ["one", "two"]
        await chain.ask("other", after=first)
        assert await house.told(house.latest) == ["one", "other"]
        await chain.ask("three", after=second)
        assert await house.told(house.latest) == ["one", "two", "three"]
        assert house.conversations("scratch") == []


@pytest.mark.parametrize("settings", [{"mode": "agent"}, {}])
async def test_where_there_is_one_conversation_for_all(settings: dict[str, Any]) -> None:
    """What is new is told there: by the operator's choice, or since the agent has no other."""
    async with FakeLetta(pace=0.02) as letta:
        letta.add_agent("Milo", type="letta_v1_agent" if settings else "memgpt_v2_agent")
        async with built(letta, **settings) as house:
            chain = Chain(house)
            first = await chain.ask("one")
            await chain.ask("two", after=first)
            await chain.ask("three")
            sent = [body["messages"] for body in house.requests("POST", "/messages")]
            assert [len(messages) for messages in sent] == [1, 1, 1]


async def test_who_leaves() -> None:
    """The response that was begun may be followed all the same."""
    async with housed() as house:
        chain = Chain(house)
        first = await chain.ask("one")
        call = chain.call((user(TALKS_LONG),), "left", first)
        async with await house.begin(call) as exchange:
            async for batch in exchange:
                if said(batch):
                    break
        await house.quiet()
        left = Response("left", (*call.messages, assistant("half")), ())
        third = await chain.ask("three", after=left)
        assert third.text == "You said: three"
        assert (await house.told(house.latest))[0] == "one"
        assert (await house.told(house.latest))[-1] == "three"
