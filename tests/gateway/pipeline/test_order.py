from __future__ import annotations

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
from gateway.grammar import GrammarError
from gateway.pipeline.order import Order


SECRET = "hunter2"
USAGE = Usage(1, 1)


def text(words: str) -> TextDelta:
    return TextDelta(words, "m")


def admitted(*events: Event, at_end: bool = False) -> list[Event]:
    order, out = Order(), list[Event]()
    for event in events:
        order.admit(event, out, at_end=at_end)
    order.whole()
    return out


class TestAdmit:
    def test_what_is_in_order(self):
        """It goes on as it is."""
        events = [Ping(), ToolCallStart("c", "f"), ToolArgsDelta("c", "{}"), text("a"), Finish()]
        assert admitted(*events) == events

    @pytest.mark.parametrize(
        ("events", "why"),
        [
            ([text("")], "empty text: TextDelta"),
            ([ReasoningDelta("", "m")], "empty text: ReasoningDelta"),
            ([ToolArgsDelta("c", SECRET)], "ToolArgsDelta of a call that was not announced"),
            ([ToolCallStart("c", SECRET)] * 2, "ToolCallStart twice"),
            ([Finish(), text(SECRET)], "TextDelta after the ending"),
        ],
    )
    def test_what_is_not(self, events, why):
        """The words say what is wrong, and nothing of what was said."""
        with pytest.raises(GrammarError) as caught:
            admitted(*events)
        assert str(caught.value) == why
        assert SECRET not in repr(caught.getrepr())

    @pytest.mark.parametrize("given", [None, "text", 7, Finish])
    def test_what_is_no_event(self, given):
        """Its type is named."""
        with pytest.raises(TypeError, match="not an event"):
            admitted(given)

    def test_strict(self):
        """Text has to be admitted once there is something it may not follow."""
        order, out = Order(), list[Event]()
        order.admit(ToolCallStart("c", "f"), out, at_end=False)
        assert not order.strict
        order.admit(USAGE, out, at_end=True)
        assert order.strict


class TestUsage:
    def test_at_the_end(self):
        """It goes on at once."""
        assert admitted(USAGE, at_end=True) == [USAGE]

    def test_with_an_ending(self):
        """Whoever ends an answer may say what it took."""
        assert admitted(text("a"), USAGE, Finish()) == [text("a"), USAGE, Finish()]

    @pytest.mark.parametrize("events", [[USAGE], [USAGE, text("a")], [USAGE, USAGE]])
    def test_too_early(self, events):
        """It does not go on, and the answer can."""
        order, out = Order(), list[Event]()

        def admit():
            for event in events:
                order.admit(event, out, at_end=False)
            order.whole()

        with pytest.raises(GrammarError, match="Usage before the end"):
            admit()
        assert out == []
        assert order.past([text("b")]) == [text("b")]


class TestPassing:
    def test_what_still_has_a_place(self):
        """It passes."""
        order = Order()
        for event in (ToolCallStart("c", "f"), ToolArgsDelta("c", "{}"), USAGE, Finish()):
            assert order.past([event]) == [event]

    def test_what_has_none(self):
        """The rest of a call that a plugin has kept for itself."""
        assert Order().past([ToolArgsDelta("c", "{}")]) == []
