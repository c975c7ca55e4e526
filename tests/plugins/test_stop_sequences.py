from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from gateway.events import (
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    Usage,
)
from gateway.plugin import Call, Conversation, Settings
from gateway.testing.kit import assert_grammar, assert_split_invariant, context, fed, merged, run
from plugins.stop_sequences import Config, StopSequences
from tests.plugins.asking import answer, asking, does, request


ENOUGH = Conversation("conv-1", keep=False, settings=Settings(max_tokens=10))


def text(said: str, message: str = "m1") -> TextDelta:
    return TextDelta(said, message)


def plugin() -> StopSequences:
    return StopSequences(Config())


async def ended(events: Sequence[Event], **body: object) -> list[Event]:
    """What is shown of these events."""
    out = await run(plugin(), events, Call("Milo", (), body=body))
    assert_grammar(out)
    return merged(out)


class TestStops:
    async def test_the_answer_ends_before_it(self):
        """In whatever pieces it comes; nothing comes after."""
        events = [text("one E"), Ping(), text("ND two"), Usage(1, 1), Finish()]
        assert await ended(events, stop="END") == [text("one "), Ping(), Finish("stop")]

    async def test_without_one(self):
        """The answer is as it is, and what may have become one is not lost."""
        events = [text("one EN"), Usage(1, 1), Finish("length")]
        assert await ended(events, stop=["END", "x"]) == events

    async def test_nothing_is_left_of_the_answer(self):
        """An empty one."""
        assert await ended([text("END"), Finish()], stop="END") == [Finish("stop")]

    async def test_messages_are_searched_alone(self):
        """Between two of them stands more than what they say."""
        events = [text("E"), text("ND", "m2"), text(" END", "m2"), Finish()]
        assert await ended(events, stop="END") == [text("E"), text("ND ", "m2"), Finish("stop")]

    async def test_only_text_is_searched(self):
        """Not reasoning, and not the arguments of tools."""
        events: list[Event] = [
            ReasoningDelta("END", "m1"),
            text("E"),
            ToolCallStart("c", "f", client_side=True),
            ToolArgsDelta("c", '"END"'),
            Finish("tool_calls"),
        ]
        assert await ended(events, stop="END") == events

    @pytest.mark.parametrize("stop", [["END", "two"], "\n\n", "ONE"])
    async def test_cuts_do_not_matter(self, stop):
        """The same is shown of every cut."""
        events = [
            ReasoningDelta("END", "m1"),
            text("one\n"),
            text("\nEEND two", "m2"),
            Usage(1, 1),
            Finish(),
        ]
        await assert_split_invariant(plugin, events, Call("Milo", (), body={"stop": stop}))


class TestCaps:
    async def test_an_estimate(self):
        """Where the model was not told."""
        events = [text("12345678"), text("9"), Finish()]
        assert await ended(events, max_tokens=2) == [text("12345678"), Finish("length")]
        assert await ended(events[:1] + events[2:], max_tokens=2) == [events[0], Finish()]

    async def test_cuts_do_not_matter(self):
        """Also where a stop may stand at the cap."""
        body = {"max_tokens": 2, "stop": "89"}
        events = [text("1234567"), text("8x89", "m2"), Finish()]
        await assert_split_invariant(plugin, events, Call("Milo", (), body=body))

    async def test_it_is_reached_by_what_was_held(self):
        """Then nothing follows."""
        body = {"max_tokens": 1, "stop": "5END"}
        events = [text("12345EN"), ReasoningDelta("R", "m1"), text("x"), Finish()]
        assert await ended(events, **body) == [text("1234"), Finish("length")]

    @pytest.mark.parametrize(
        ("usage", "reason"),
        [(Usage(1, 9), "stop"), (Usage(1, 10), "length"), (Usage(1, 15, steps=2), "stop")],
    )
    async def test_the_model_was_told(self, usage, reason):
        """Letta does not say that it ran into it; the usage does."""
        events = [text("12345678" * 50), usage, Finish()]
        call = Call("Milo", (), body={"max_tokens": 10}, conversation=ENOUGH)
        assert await run(plugin(), events, call) == [*events[:-1], Finish(reason)]

    async def test_as_long_as_it_gets(self):
        """If the operator wants no estimates, the field is ignored."""
        reply = attrs.evolve(Call("", ()).reply, ignored=("max_tokens",))
        call = Call("Milo", (), body={"max_tokens": 1}, reply=reply)
        turn = StopSequences(Config(max_tokens="model")).begin(context())
        assert (await turn.prepare(call)).reply.ignored == ("max_tokens",)
        assert turn.idle


async def test_nothing_to_do():
    """No event comes by."""
    turn = plugin().begin(context())
    await turn.prepare(Call("Milo", ()))
    assert turn.idle
    assert fed(turn, [text("a"), Finish()]) == [text("a"), Finish()]


class TestAtLetta:
    async def test_a_chat(self):
        """The answer ends at once; the run goes on, and the agent remembers what it said."""
        story = does(text="one two STOP three", n=3)
        async with asking() as house:
            answered = await answer(house, request(story, key="chat", stop="STOP"))
            assert (answered.text, answered.reason, answered.ignored) == ("one two ", "stop", ())
            await house.quiet()
            heard = await house.heard(house.latest)
            assert heard[-1] == ("assistant", "one two STOP three")
            assert [run.stop_reason for run in house.letta.runs.values()] == ["end_turn"]
            assert (await answer(house, request("Hi", key="chat"))).text == "You said: Hi"

    async def test_without_a_chat(self):
        """The run is cancelled, and the conversation deleted."""
        story = does(text="one two STOP" + " and more" * 200, n=3, delay=0.01)
        async with asking() as house:
            answered = await answer(house, request(story, stop="STOP"))
            assert (answered.text, answered.reason) == ("one two ", "stop")
            await house.quiet()
            assert [run.status for run in house.letta.runs.values()] == ["cancelled"]
            assert house.conversations() == []

    @pytest.mark.parametrize("key", ["chat", ""])
    async def test_caps(self, key):
        """A chat's answers are cut here; elsewhere the model is told."""
        async with asking() as house:
            story = does(text="one two three four", n=3)
            answered = await answer(house, request(story, key=key, max_completion_tokens=2))
            shown = "one two " if key else "one two three four"
            assert (answered.text, answered.reason) == (shown, "length")
            assert answered.ignored == ()
