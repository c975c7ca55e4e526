"""Rows and texts for people."""

from __future__ import annotations

from gateway.tables import folded, table


ROWS = [
    {"name": "one", "about": "a short text"},
    {"name": "another", "about": "a text that is so long that it has to be folded"},
]


def test_in_a_pipe() -> None:
    """Without a width a row is a line, and the columns begin below each other."""
    assert table(ROWS, None) == [
        "name     about",
        "one      a short text",
        "another  a text that is so long that it has to be folded",
    ]


def test_at_a_terminal() -> None:
    """The last column is folded within its own room, and nothing is cut."""
    assert table(ROWS, 35) == [
        "name     about",
        "one      a short text",
        "another  a text that is so long",
        "         that it has to be folded",
    ]


def test_a_narrow_terminal() -> None:
    """A column that would be too narrow to read is wider than the terminal instead."""
    assert table(ROWS, 5)[2:] == [
        "another  a text that is so long",
        "         that it has to be folded",
    ]


def test_empty_cells() -> None:
    """A row may have nothing in its last column, and there may be no rows."""
    assert table([{"a": "x", "b": ""}], 40) == ["a  b", "x"]
    assert table([], 40) == []


def test_long_words() -> None:
    """Paths are not cut: somebody will want to copy them."""
    path = "/somewhere/" + "long/" * 20

    assert folded(f"in {path}", 40) == ["in", path]


def test_indents() -> None:
    """A text that goes on in the next line can stand further in there."""
    assert folded("one two three", 10, indent=" ", hanging="  ") == [" one two", "   three"]
    assert folded("one two three", None, indent=" ", hanging="  ") == [" one two three"]
