"""Where in a message a client can write something."""

from __future__ import annotations

import pytest

from plugins.guarding.texts import decoded


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": 1}', '{"a": 1}'),
        (r'{"a": "\u0062\n\"\/"}', '{"a": "b\n"/"}'),
        (r"\\u0062", r"\u0062"),
        (r"\ud83c\udf89 \ud83c", "🎉 \ufffd"),
        (r"\x \u12", r"\x \u12"),
        (r"[" * 5000 + r"\u0062", "[" * 5000 + "b"),
    ],
)
def test_escapes(arguments: str, expected: str) -> None:
    """Each stands for its character, in what is no JSON, too."""
    assert decoded(arguments) == expected
