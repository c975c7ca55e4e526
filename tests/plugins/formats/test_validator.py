from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from plugins.formats.validator import MOST_STEPS, Steps, TooMuch, validator


TRAP = "a" * 60 + "b"
NEW = "https://json-schema.org/draft/2020-12/schema"
OLD = "http://json-schema.org/draft-07/schema#"

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats(-1, 2).map(round) | st.just(1.0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


def fits(schema: dict[str, Any], value: object) -> bool:
    return validator(schema).is_valid(value)


def nested(levels: int) -> dict[str, Any]:
    """No reference anywhere, and four times the work with each level."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"anyOf": [{"allOf": [schema, schema]}, {"allOf": [schema, schema]}]}
    return schema


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, {"a": TRAP}),
        ({"patternProperties": {"(a+)+$": False}, "additionalProperties": False}, {TRAP: 1}),
        ({"patternProperties": {"(a+)+$": False}, "unevaluatedProperties": False}, {TRAP: 1}),
        ({"properties": {"a": {"$schema": OLD, "pattern": "(a+)+$"}}}, {"a": TRAP}),
        ({"$schema": NEW, "items": {"$ref": "#"}, "pattern": "(a+)+$"}, [TRAP]),
    ],
)
def test_no_pattern_is_tried(schema, value):
    """This one would take for ever, under whatever draft it is written."""
    assert fits(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (nested(9), 1),
        (
            {
                "$ref": "#/d0",
                **{f"d{i}": {"allOf": [{"$ref": f"#/d{i + 1}"}] * 2} for i in range(40)},
                "d40": {},
            },
            1,
        ),
        ({"allOf": [{"items": {}}] * 100}, [1] * 5_000),
        ({"allOf": [{"enum": [[1] * 500, i]} for i in range(500)]}, [1] * 500),
        ({"anyOf": [{"type": "string"}] * 500}, {"a": "x" * 100_000}),
        ({"items": {"type": "string"}}, [1] * MOST_STEPS),
    ],
    ids=["alternatives", "references", "items", "choices", "what is said", "a large value"],
)
def test_what_takes_too_long(schema, value):
    """It is given up, whatever it is that there is too much of."""
    with pytest.raises(TooMuch):
        list(validator(schema).iter_errors(value))


def test_what_is_long_and_does_not():
    """An answer as long as models give them."""
    names = [f"p{i}" for i in range(10)]
    row = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    assert fits({"type": "array", "items": row}, [dict.fromkeys(names, "text")] * 800)
    assert fits({"items": {"enum": [f"c{i}" for i in range(200)]}}, ["c7"] * 20_000)


def test_unique_items_are_seen_once():
    """Not each beside each: that many would never end."""
    rows = [{"a": i} for i in range(20_000)]
    assert fits({"uniqueItems": True}, rows)
    assert not fits({"uniqueItems": True}, [*rows, {"a": 7}])


@given(value=VALUES, other=VALUES)
def test_values_are_compared_as_json(value, other):
    """1 is 1.0, and not true; the order of names does not matter."""
    for schema in ({"const": other}, {"enum": [other]}):
        assert fits(schema, value) is Draft202012Validator(schema).is_valid(value)
    both: dict[str, Any] = {"uniqueItems": True}
    assert fits(both, [value, other]) is Draft202012Validator(both).is_valid([value, other])


def test_unique_items_that_need_not_be():
    """Nor is anything else than a list looked at."""
    assert fits({"uniqueItems": False}, [1, 1])
    assert fits({"uniqueItems": True}, "aa")


def test_references():
    """They may lead back."""
    schema = {"items": {"$ref": "#"}, "type": "array", "maxItems": 1}
    assert fits(schema, [[[]]])
    assert not fits(schema, [[[], []]])
    with pytest.raises(LookupError):
        fits({"$ref": "#/x"}, 1)


def test_steps():
    """They are for one value."""
    steps = Steps(2)
    steps.take(2)
    with pytest.raises(TooMuch):
        steps.take(1)
