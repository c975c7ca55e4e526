r"""What stands around a literal `\n` says what it is."""

from __future__ import annotations

import pytest

from plugins.newlines.evidence import (
    AGAINST,
    PROOF,
    WINDOW,
    Seam,
    clip,
    quote_points,
    unicode_points,
)


def points(text: str) -> int | None:
    r"""What the first `\n` of a message proves."""
    before, _, after = text.partition("\\n")
    return Seam("\n" + before, after, whole=True, heading=text.startswith("#")).points()


@pytest.mark.parametrize(
    "text",
    [
        r"| a | b |\n|---|---|",
        r"Sure:\n- one",
        r"Steps\n1. Open",
        r"# Title\nSome words",
        r"That is all.\n\nNext, we",
        r"That is all.\nNext, we",
        r"Look\n\n```py",
        r"He came (late)\n\nAnd left",
        r"Yes.\n> quoted",
        r"日本語\n\n次の段落",
        r"அகர முதல\nபகவன்",
        r"First ✅\n🎉 Second",
        r"Look:\n    indented",
    ],
)
def test_structure_is_proof(text: str) -> None:
    """A seam of table, list, heading, paragraph or sentence is proof by itself."""
    assert points(text) == PROOF


@pytest.mark.parametrize(
    "text",
    [
        r"A newline is \n or so",
        r"Lines end with \n.",
        r"It prints (\n) at the end",
        r"the 'Hello\nWorld' string",
        r"f'Result:\nDone'",
        r"the regex .*\nThen",
        r"C:\Users\nancy",
        r"src\main\nUtils",
        r"..\nUnit",
        r"$env:TEMP\nUnit",
        r"split on /\n/ and go",
    ],
)
def test_mentions_speak_against(text: str) -> None:
    """Where people speak about the escape, or it is part of something else, it is no seam."""
    assert points(text) == AGAINST


@pytest.mark.parametrize(
    "text",
    [
        r"Hello\nWorld",
        r"one\ntwo",
        r"C:\new\table",
        r"at C:\Program Files (x86)\nUnit",
        r"CORP\nancy",
        r"x\n{y}",
    ],
)
def test_doubt(text: str) -> None:
    """What may be either proves nothing by itself."""
    found = points(text)
    assert found is not None
    assert found < PROOF


def test_within_quotes() -> None:
    """Within double quotes nothing is a seam."""
    assert Seam("\nHe typed a.", "- b", whole=True, quoted=True).points() == AGAINST


def test_more_is_needed() -> None:
    """It asks for more while that may change the answer, and no longer."""
    assert Seam("\nDone", "", whole=False).points() is None
    assert Seam("\nDone", "-", whole=False).points() is None
    assert Seam("\nDone", "- ", whole=False).points() is None
    assert Seam("\nDone", "- x", whole=False).points() == PROOF
    assert Seam("\nDone.", "T", whole=False).points() == PROOF


def test_clip() -> None:
    """What is looked at is cut by bytes, between characters."""
    assert clip("ab" + "x" * 40, 2) == "x" * WINDOW
    assert len(clip("é" * 20, 0).encode()) == WINDOW
    assert clip("🎉" * 3 + "aaa🎉", 0) == "🎉" * 3 + "aaa"
    assert clip("\ud83d" * 9, 0) == "\ud83d" * 5


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("\nShe said, ", "Yes", PROOF),
        ("\n", "Quoted", PROOF),
        ("\nThe body is {", "a", 0),
        ("\nEscape it as ", " and go", 0),
        ("\nx = ", "a", 0),
    ],
)
def test_quotes(before: str, after: str, expected: int) -> None:
    r"""A `\"` that opens a quotation in a sentence is proof; in code it is not."""
    assert quote_points(before, after, whole=True) == expected


@pytest.mark.parametrize(
    ("before", "value", "after", "expected"),
    [
        ("\ncaf", "é", " au lait", PROOF),
        ("\n", "日", r"\u672c", PROOF),
        ("\n", "É", "cole", PROOF),
        ("\nThe sign ", "é", " is an e", 0),
        ("\n[a-z", "é", "x]", 0),
        ("\n'caf", "é", "s'", 0),
    ],
)
def test_unicode(before: str, value: str, after: str, expected: int) -> None:
    r"""A `\uXXXX` among letters is proof; by itself, quoted or in brackets it is not."""
    assert unicode_points(before, value, after, whole=True) == expected
