from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.formats.fences import LONGEST_OPENING, Fences, bare


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('\n```\n{"a": 1}\n```\n\n', '{"a": 1}'),
        ('```json {"a": 1}```', '{"a": 1}'),
        ("```JSON\r\n[1]\r\n```", "[1]"),
        ('{"a": "```"}', '{"a": "```"}'),
        ('```json\n{"a": "``` b"}\n```', '{"a": "``` b"}'),
        ("```json\n[1]", "[1]"),
        ("`[1]`", "`[1]`"),
        ("", ""),
        (" ", " "),
        ("Here:\n```json\n[1]\n```", "Here:\n```json\n[1]\n```"),
    ],
)
def test_inside(text, inside):
    """What is around the whole is taken off, and nothing else."""
    assert bare(text) == inside


@given(st.lists(st.text("`js {}\n", max_size=6)))
def test_cuts_do_not_matter(pieces):
    """However a text comes, the same is left of it."""
    fences = Fences()
    shown = "".join([fences.feed(piece) for piece in pieces]) + fences.rest()
    assert shown == bare("".join(pieces))


def test_nothing_is_held_without_need():
    """Only what may be a fence, and not for ever."""
    fences = Fences()
    assert fences.feed(" ") == ""
    assert fences.feed("{") == " {"
    assert fences.feed("`") == "`"
    assert Fences().feed(" " * LONGEST_OPENING) == " " * LONGEST_OPENING
