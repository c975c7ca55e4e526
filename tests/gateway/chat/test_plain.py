from __future__ import annotations

import pytest

from gateway.chat.plain import one_line, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b]0;title\x07red\x9b31m\r", "]0;titlered31m"),
        ("half \ud800 a character", "half  a character"),
        ("日本 🎉 é", "日本 🎉 é"),
    ],
)
def test_no_commands_for_the_terminal(text, expected):
    """An agent cannot move the cursor, set the title or hide what it has said."""
    assert printable(text) == expected


def test_one_line():
    """An error's message cannot be more than a line."""
    assert one_line("a\n\x1b[2J\tb") == "a [2J b"
