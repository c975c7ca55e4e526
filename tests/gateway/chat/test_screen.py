from __future__ import annotations

import io

from rich.console import Console

from gateway.chat.client import Piece
from gateway.chat.screen import Screen


PIECES = [
    Piece("reasoning", "So "),
    Piece("reasoning", "what."),
    Piece("text", "[bold]Hi[/]"),
    Piece("text", "\n:smile:"),
    Piece("note", "(it ends here: length)"),
]


def shown(*pieces: Piece, terminal: bool) -> str:
    out = io.StringIO()
    screen = Screen(
        Console(
            file=out, force_terminal=terminal, highlight=False, markup=False, emoji=False,
            soft_wrap=True, no_color=True,
        )
    )  # fmt: skip
    for piece in pieces:
        screen.show(piece)
    screen.end()
    return out.getvalue()


def test_a_terminal():
    """All of it: what is not the answer's text is apart, and dimmed."""
    assert shown(*PIECES, terminal=True) == (
        "\x1b[2mSo \x1b[0m\x1b[2mwhat.\x1b[0m\n\n[bold]Hi[/]\n:smile:\n\n(it ends here: length)\n"
    )


def test_a_pipe():
    """The answer's text alone, as it is."""
    assert shown(*PIECES, terminal=False) == "[bold]Hi[/]\n:smile:\n"


def test_nothing():
    """No answer, no line."""
    assert shown(terminal=True) == ""
