"""The inside of a JSON string, cut anywhere, becomes the string."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.newlines.unescape import Escape, Unescape, read_escape


WORDS = ("tab\t", "line\n", '"said"', "C:\\new\\table", "\r\n", "naïve", "日本", "🎉", "/", "\b\f")
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map("".join))


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces."""
    bounds = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in itertools.pairwise(bounds)]


def undone(pieces: list[str]) -> str:
    """What comes out of the pieces, one after the other."""
    unescape = Unescape()
    out = [unescape.feed(piece) for piece in pieces]
    return "".join([*out, unescape.end()])


@given(TEXTS, st.booleans(), st.lists(st.integers(0, 10_000), max_size=30))
def test_like_json(text: str, ascii_only: bool, places: list[int]) -> None:
    """It gives what json.loads gives, however the string was escaped and wherever it is cut."""
    inside = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    assert undone(cut(inside, places)) == json.loads(f'"{inside}"')


@given(st.text('\\nu"/0dD8cCfFx ', max_size=40))
def test_any_cut_of_anything(text: str) -> None:
    """What is no JSON gives the same whole as by single characters, and loses nothing else."""
    assert undone(list(text)) == undone([text])


@given(st.text("\\nu0dD8cCfF", max_size=60))
def test_little_is_held(text: str) -> None:
    """Never more than 16 bytes are held."""
    unescape = Unescape()
    for character in text:
        unescape.feed(character)
        assert len(unescape.held.encode()) <= 16


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r"\n\t\r\b\f\/\"\\", '\n\t\r\b\f/"\\'),
        (r"\u65e5\u00E9", "日é"),
        (r"\ud83c\udf89", "🎉"),
        (r"a\ud83cb", "a\ufffdb"),
        (r"a\udf89b", "a\ufffdb"),
        (r"\ud83c\u0041", "\ufffdA"),
        (r"\ud83c\n", "\ufffd\n"),
        (r"\ud83c", "\ufffd"),
        (r"\x41 \é", r"\x41 \é"),
        (r"\u12g4", r"\u12g4"),
        (r"\\n", r"\n"),
        ("\\", "\\"),
        (r"\u00", r"\u00"),
        (r"\ud83c\u00", "\ufffd\\u00"),
    ],
)
def test_each_escape(escaped: str, expected: str) -> None:
    """Every escape is undone; lone surrogates become U+FFFD; what is no escape stays."""
    for place in range(len(escaped) + 1):
        assert undone([escaped[:place], escaped[place:]]) == expected


@pytest.mark.parametrize("foreign", ['"', "\n", "\t", "\r"])
def test_what_is_not_escaped_stays(foreign: str) -> None:
    """From a character on that a JSON string cannot contain, the text is left alone."""
    text = f"a\\tb{foreign}print(x)\\n"
    assert undone([text]) == undone(list(text)) == f"a\tb{foreign}print(x)\\n"


def test_let_go() -> None:
    """What was held goes out as it is, and its other half is passed on, not misread."""
    unescape = Unescape()
    assert unescape.feed("say \\") == "say "
    assert unescape.let_go() == "\\"
    assert unescape.feed('"yes\\" now\\n') == '"yes" now\n'
    assert unescape.let_go() == ""


def test_counts() -> None:
    """It counts the escapes that it has undone."""
    unescape = Unescape()
    unescape.feed(r"\n\ud83c\udf89\x")
    unescape.end()
    assert unescape.undone == 2


def test_read_escape() -> None:
    """It tells escapes from what is none and from what is not all there."""
    assert read_escape(r"a\n", 1) == Escape(2, "\n")
    assert read_escape(r"\q", 0) == Escape(1, None)
    assert read_escape(r"\u00", 0) is None
    assert read_escape(r"\u00", 0, final=True) == Escape(1, None)
