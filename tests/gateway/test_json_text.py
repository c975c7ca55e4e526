"""JSON as bytes, whatever text is in it."""

from __future__ import annotations

import json

import pytest

from gateway.json_text import dumps


def test_text_is_utf8() -> None:
    """Letters of all scripts are written as they are, without spaces between the parts."""
    assert dumps({"a": ["é", "日本", "🎉"], "b": 1}) == '{"a":["é","日本","🎉"],"b":1}'.encode()


def test_half_a_surrogate_pair() -> None:
    """What is no text becomes a question mark, wherever it stands."""
    assert json.loads(dumps({"a\ud83d": ["\udcff!"]})) == {"a?": ["?!"]}


def test_numbers_of_any_size() -> None:
    """Numbers beyond 64 bits are written in full."""
    assert dumps(10**30) == b"1" + b"0" * 30


def test_other_types() -> None:
    """What is no JSON is written as `default` says, or is a mistake."""
    assert dumps({1, 2}, default=len) == b"2"
    assert json.loads(dumps(["\ud83d", {1, 2}], default=len)) == ["?", 2]
    with pytest.raises(TypeError):
        dumps({1, 2})
