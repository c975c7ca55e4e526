"""The blank line between two messages."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.surfaces.deltas import Paragraphs
from gateway.surfaces.responses.apart import Apart


MESSAGES = st.lists(st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1), max_size=5)


def joined(messages: Sequence[Sequence[str]]) -> str:
    apart, told = Apart(), ""
    for i, message in enumerate(messages):
        told += apart.end() if i else ""
        told += "".join(map(apart.feed, message))
    return told


def test_it_stands_behind_the_first() -> None:
    """The second begins with its own first word."""
    apart = Apart()
    assert [apart.feed("one"), apart.end(), apart.feed("two")] == ["one", "\n\n", "two"]


def test_newlines_that_are_there_count() -> None:
    """On either side; what is more than a blank line stays."""
    assert joined([["one\n"], ["two"]]) == "one\n\ntwo"
    assert joined([["one"], ["\n", "two"]]) == "one\n\ntwo"
    assert joined([["one\n\n\n"], ["two"]]) == "one\n\n\ntwo"
    assert joined([["one"], ["\n\n\n\ntwo"]]) == "one\n\n\n\ntwo"


def test_a_message_of_newlines_alone() -> None:
    """They count, too, and so do those of the next one."""
    assert joined([["a"], ["\n"], ["\n", "a"]]) == "a\n\na"


@given(MESSAGES)
def test_all_surfaces_have_the_same_text(messages: list[list[str]]) -> None:
    """Put together it is what a chat completion says, but for newlines at the end."""
    paragraphs = Paragraphs()
    told = [paragraphs.join(text, str(i)) for i, each in enumerate(messages) for text in each]
    assert joined(messages).rstrip("\n") == "".join(told).rstrip("\n")
