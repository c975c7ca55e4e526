from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.stops.finder import Finder


def found(pieces: list[str], *stops: str) -> tuple[str, bool]:
    """What is shown of these pieces, and whether there was a stop."""
    finder = Finder(stops)
    shown = ""
    for piece in pieces:
        shown += finder.feed(piece)
        if finder.found:
            return shown, True
    return shown + finder.rest(), False


@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("one END two", ("END",), "one "),
        ("END", ("END",), ""),
        ("one EN", ("END",), None),
        ("aab", ("ab",), "a"),
        ("EENDEND", ("END",), "E"),
        ("x one y two", ("two", "one"), "x "),
        ("abc", ("abc", "b"), "a"),  # the shorter is complete first
        ("abc", ("bc", "abc"), ""),  # together: nothing of either is shown
        ("nothing", ("\n",), None),
        ("日本語。次", ("。",), "日本語"),
    ],
)
def test_the_first(text, stops, shown):
    """Up to where it begins; without one, everything."""
    assert found([text], *stops) == (text if shown is None else shown, shown is not None)


letters = st.text("ab.", max_size=12)


@given(st.lists(letters), st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=4))
def test_cuts_do_not_matter(pieces, stops):
    """However a text comes, the same of it is shown as letter by letter."""
    text = "".join(pieces)
    assert found(pieces, *stops) == found(list(text), *stops) == found([text], *stops)


@given(letters, st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=4))
def test_nothing_of_a_stop_is_shown(text, stops):
    """And without one nothing is lost."""
    shown, cut = found([text], *stops)
    assert not any(stop in shown for stop in stops)
    assert cut is any(stop in text for stop in stops)
    assert text.startswith(shown) if cut else text == shown


def test_only_what_may_be_a_stop_is_held():
    """Everything else is shown at once."""
    finder = Finder(["END"])
    assert finder.feed("all of this E") == "all of this "
    assert finder.feed("x") == "Ex"
