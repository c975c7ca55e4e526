from __future__ import annotations

import pytest

from gateway.config.mistakes import Mistake, Wrong, hide
from gateway.config.variables import FromEnvironment


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (str, 12, "expected text, found a whole number (put it in quotes)"),
        (str, True, "expected text, found true (put it in quotes)"),
        (str, None, "expected text, found nothing"),
        (bool, "false", "expected true or false, found text (take the quotes away)"),
        (bool, "no", "expected true or false, found text"),
        (int, "12", "expected a whole number, found text (take the quotes away)"),
        (int, 1.5, "expected a whole number, found a number"),
        (int, True, "expected a whole number, found true"),
        (list[str], "abc", "expected a list of text, found text"),
        (dict[str, str], ["abc"], "expected a mapping of text, found a list"),
        (float, {}, "expected a number, found a mapping"),
        (int, FromEnvironment("x", "${X}"), "expected a whole number, found other text in ${X}"),
    ],
)
def test_unexpected(kind, value, expected):
    """A wrong type is told as what was expected and what was found; text is never quoted."""
    assert str(Wrong.unexpected(kind, value)) == expected


def test_below():
    """A mistake keeps its place when it is seen from further up."""
    assert Mistake((0,), "wrong").below("config", "by") == Mistake(("config", "by", 0), "wrong")


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("'key' must match ('s3cret' doesn't)", ["s3cret"], "'key' must match ('…' doesn't)"),
        ("bad: ['a1', 'b2']", [["a1", "b2"]], "bad: ['…', '…']"),
        ("bad: b2", [{"x": "b2"}], "bad: …"),
        ("must be >= 1: 0", [0], "must be >= 1: …"),
        (r"'a\\b' is bad", [r"a\b"], "'…' is bad"),
        ("the letter e", ["e"], "the letter …"),
        ("nothing to hide", [""], "nothing to hide"),
        ("longer first: ab-cd", ["ab", "ab-cd"], "longer first: …"),
    ],
)
def test_hide(text, secrets, expected):
    """Secrets are taken out as whole words, also out of lists and as Python writes them."""
    assert hide(text, secrets) == expected
