"""Putting together what the model says."""

from __future__ import annotations

from gateway.testing.fakeletta.hearing import Heard, Numbers
from gateway.testing.fakeletta.history import ToolCall
from gateway.testing.fakeletta.steps import CallPart, Step, ToolUse, chunks


def test_puts_together() -> None:
    """Text, thoughts and interleaved calls come out as they went in."""
    uses = (ToolUse("x", "{1}", "a", frag=1), ToolUse("y", "{2}", "b", frag=2))
    heard = Heard.of(chunks(Step("hello", "hm", tools=uses, interleave=True)))
    assert (heard.text, heard.reason) == ("hello", "hm")
    assert heard.calls == (ToolCall("a", "x", "{1}"), ToolCall("b", "y", "{2}"))


def test_head_of_a_call() -> None:
    """A fragment's call is known by its head."""
    heard = Heard()
    heard.take((CallPart(0, "a", "look"),))
    heard.take((CallPart(0, args="{}"),))
    assert (heard.call_id(CallPart(0)), heard.name(CallPart(0))) == ("a", "look")


def test_numbers() -> None:
    """Each change of the type counts one up."""
    numbers = Numbers()
    assert [numbers.of(each) for each in "aabbba"] == [0, 0, 1, 1, 1, 2]
