from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
import pytest
from attrs.validators import and_, deep_iterable, ge, gt, le, lt, min_len
from jsonschema import Draft7Validator

from gateway.config.schema_types import of_class


@attrs.frozen
class Inner:
    name: str
    on: bool = False


@attrs.frozen
class Outer:
    count: int = attrs.field(default=3, validator=and_(ge(1), le(9)), metadata={"help": "how many"})
    seconds: float = attrs.field(default=1.0, validator=[gt(0), lt(10)])
    words: list[str] = attrs.field(
        factory=lambda: ["a"], validator=[min_len(1), deep_iterable(min_len(2))]
    )
    mode: Literal["loud", "quiet"] = "loud"
    alias: str | None = None
    inner: list[Inner] = attrs.field(factory=list)
    flags: Mapping[str, bool] = attrs.field(factory=dict)
    anything: Any = None
    hidden: int = attrs.field(init=False, default=0)
    twice: int = attrs.field(default=attrs.Factory(lambda self: 2 * self.count, takes_self=True))


SCHEMA = of_class(Outer)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"count": 9, "seconds": 0.5, "words": ["ab"], "mode": "quiet"},
        {"count": "${COUNT}", "seconds": "${S:-5}", "mode": "${MODE}", "alias": "${A}-b"},
        {"alias": None, "inner": [{"name": "x", "on": "${ON}"}], "flags": {"a": True}},
        {"anything": [{"at": "all"}], "twice": 7},
    ],
)
def test_accepts(data):
    """What the class takes, and variables where they may stand, is right."""
    Draft7Validator(SCHEMA).validate(data)


@pytest.mark.parametrize(
    "data",
    [
        {"count": 0},
        {"count": 10},
        {"count": "3"},
        {"count": "a ${COUNT}"},
        {"count": True},
        {"seconds": 0},
        {"seconds": 10},
        {"words": []},
        {"words": ["a"]},
        {"words": "ab"},
        {"mode": "silent"},
        {"alias": 3},
        {"inner": [{}]},
        {"inner": [{"name": "x", "off": True}]},
        {"flags": {"a": 1}},
        {"hidden": 1},
        {"unknown": 1},
        [],
    ],
)
def test_refuses(data):
    """What the class refuses, as far as a schema can say, is wrong."""
    assert not Draft7Validator(SCHEMA).is_valid(data)


def test_help_and_defaults():
    """Editors show what a setting is about and what it is if nobody sets it."""
    properties = SCHEMA["properties"]

    assert properties["count"]["description"] == "how many"
    assert properties["count"]["default"] == 3
    assert properties["words"]["default"] == ["a"]
    assert "default" not in properties["alias"]
    assert "default" not in properties["twice"]


def test_required():
    """What has no default is asked for."""
    assert "required" not in SCHEMA
    assert SCHEMA["properties"]["inner"]["items"]["required"] == ["name"]
