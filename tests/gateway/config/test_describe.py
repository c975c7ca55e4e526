from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from gateway.config.describe import Setting, in_words, settings_of


@attrs.frozen
class Inner:
    one: int = 1


@attrs.frozen
class Config:
    needed: str
    by: list[Literal["id", "name"]] = attrs.field(
        factory=lambda: ["id"], metadata={"help": "what to go by"}
    )
    path: Path = Path("state/x.db")
    inner: Inner = attrs.field(factory=Inner)
    labels: Mapping[str, str] = attrs.field(factory=lambda: {"a": "ä"})
    _private: float | None = None
    derived: int = attrs.field(init=False, default=3)


def test_settings_of():
    """A config class is shown as the file sees it: names, types, defaults, help."""
    assert settings_of(Config) == [
        Setting("needed", "text", None, ""),
        Setting("by", "a list of these (id, name)", '["id"]', "what to go by"),
        Setting("path", "a path", '"state/x.db"', ""),
        Setting("inner", "a mapping", '{"one": 1}', ""),
        Setting("labels", "a mapping of text", '{"a": "ä"}', ""),
        Setting("private", "a number or nothing", "null", ""),
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (str, "text"),
        (bool, "true or false"),
        (int, "a whole number"),
        (Any, "anything"),
        (list[int], "a list of whole numbers"),
        (tuple[str, ...], "a list of text"),
        (Sequence[Inner], "a list of mappings"),
        (list[list[str]], "a list of a list of text"),
        (list, "a list"),
        (dict[str, int], "a mapping of whole numbers"),
        (dict, "a mapping"),
        (Literal["a", 1, True], "one of: a, 1, true"),
        (int | None, "a whole number or nothing"),
        (str | list[str], "text or a list of text"),
        (bytes, "a bytes"),
    ],
)
def test_in_words(kind, expected):
    """Types are named as people name them."""
    assert in_words(kind) == expected
