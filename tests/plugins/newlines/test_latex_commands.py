"""LaTeX commands and escapes of JSON begin alike."""

from __future__ import annotations

import pytest

from plugins.newlines.latex_commands import is_command, may_be_formula


@pytest.mark.parametrize(
    "text", [r"\nabla f", r"\theta$", r"\neq y", r"\text{a}", r"\nu_1", r"\to\infty", r"\ne="]
)
def test_commands(text: str) -> None:
    """A command is known by its whole name; a short one by what stands behind it, too."""
    assert is_command(text, whole=False) is True


@pytest.mark.parametrize(
    "text", [r"\nThe", r"\ne poi", r"\nu domu", r"\nother", r"\tName", r"\n- item", r"\n\n"]
)
def test_line_breaks(text: str) -> None:
    """Line breaks and tabs before other words are none."""
    assert is_command(text, whole=False) is False


@pytest.mark.parametrize(("text", "command"), [(r"\n", False), (r"\nab", False), (r"\nabla", True)])
def test_begun(text: str, command: bool) -> None:
    """While the name may still become one, it does not say, unless that is all."""
    assert is_command(text, whole=False) is None
    assert is_command(text, whole=True) is command


@pytest.mark.parametrize("before", ["the ", "$", "let $x", r"so \(a", "f(", "x="])
def test_formulas(before: str) -> None:
    """A formula may begin behind a space or a sign, and goes on to its end."""
    assert may_be_formula(before)


@pytest.mark.parametrize("before", ["Done.", "| a |", "for $x$", "a word", "one,"])
def test_no_formulas(before: str) -> None:
    """Behind words and the end of a sentence there is none."""
    assert not may_be_formula(before)
