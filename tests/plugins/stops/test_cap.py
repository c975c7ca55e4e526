from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.stops.cap import Cap


def capped(pieces: list[str], tokens: int) -> tuple[str, bool]:
    cap = Cap(tokens)
    shown = ""
    for piece in pieces:
        shown += cap.feed(piece)
        if cap.reached:
            break
    return shown, cap.reached


@pytest.mark.parametrize(
    ("text", "shown", "reached"),
    [
        ("", "", False),
        ("12345678", "12345678", False),
        ("123456789", "12345678", True),
        ("日本", "日本", False),
        ("日本語", "日本", True),  # its last character would be cut
        ("👩‍👩‍👧", "👩‍", True),
    ],
)
def test_two_tokens(text, shown, reached):
    """Eight bytes, and no half characters."""
    assert capped([text], 2) == (shown, reached)


@given(st.lists(st.text("aé日👩", max_size=6)), st.integers(1, 8))
def test_cuts_do_not_matter(pieces, tokens):
    """However a text comes, the same of it is shown as letter by letter."""
    text = "".join(pieces)
    assert capped(pieces, tokens) == capped(list(text), tokens) == capped([text], tokens)
