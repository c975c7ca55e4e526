from __future__ import annotations

from typing import Any

import pytest

from plugins.formats.schema import Shape, no_schema


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "friends": {"$ref": "#/$defs/Friends"}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"Friends": {"type": "array", "items": {"$ref": "#"}}},
}


@pytest.mark.parametrize(
    "text",
    ['{"name": "Ada"}', ' {"name": "Ada", "friends": [{"name": "Bob", "friends": []}]}\n'],
)
def test_what_fits(text):
    """A schema may refer to its own parts."""
    assert Shape(PERSON).wrong(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "It is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('Here: {"name": "Ada"}', "It is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"name": NaN}', "It is not JSON: NaN is no number"),
        ("{}", "$: 'name' is a required property"),
        ('{"name": 5}', "$.name: 5 is not of type 'string'"),
        ('{"name": "Ada", "friends": [{}]}', "$.friends[0]: 'name' is a required property"),
        ("[" * 100_000, "It cannot be checked."),
    ],
)
def test_what_does_not(text, why):
    """The reason is for the agent, which is asked again."""
    assert Shape(PERSON).wrong(text) == why


def test_additional_properties():
    """Those of a strict schema are wrong."""
    wrong = Shape(PERSON).wrong('{"name": "Ada", "age": 36}')
    assert wrong
    assert "'age' was unexpected" in wrong


def test_what_takes_too_long():
    """It is not known, and that is said."""
    assert Shape({"$ref": "#"}).wrong("1") == "It cannot be checked."


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"multipleOf": 0.5}, "9" * 500),
        ({"$ref": "#/x", "x": {"type": "text"}}, "1"),
        ({"$ref": "#/x"}, "1"),
    ],
)
def test_what_cannot_be_compared(schema, text):
    """It is said, and nothing fails."""
    assert Shape(schema).wrong(text) == "It cannot be checked."


@pytest.mark.parametrize(
    "schema",
    [{}, PERSON, {"enum": [{"$ref": "no reference"}]}, {"properties": {"$ref": {"type": "null"}}}],
)
def test_schemas(schema):
    """What looks like a reference need not be one."""
    assert no_schema(schema) is None


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"items": {"title": 5}}, "it must be text (at $.items.title)"),
        (
            {"items": {"$ref": "#/$defs/A"}},
            "there is nothing at '#/$defs/A', and nothing is fetched",
        ),
        (
            {"$ref": "http://schemas.example/a"},
            "there is nothing at 'http://schemas.example/a', and nothing is fetched",
        ),
        (
            {"$ref": "#/x-city", "x-city": {"$ref": "#/default"}, "default": 5},
            "it must be a schema: an object or a boolean (at $), to which '#/default' leads",
        ),
    ],
)
def test_what_is_none(schema, why):
    """A sentence says why; what it refers to is read too."""
    assert no_schema(schema) == why


def test_many_references():
    """Each place is read once."""
    places = {f"x{i}": [{"$ref": f"#/x{i + 1}/0"}] for i in range(5_000)}
    assert no_schema({"$ref": "#/x0/0", **places, "x5000": [True]}) is None


def test_a_deep_one():
    """It is refused, and nothing fails."""
    schema: dict[str, Any] = {}
    for _ in range(2000):
        schema = {"not": schema}
    assert no_schema(schema) == "it is nested too deep: 200 levels are the most (at $)"


def test_a_large_one():
    """The same, before anything is done with it."""
    why = no_schema({"properties": {f"p{i}": {"type": "string"} for i in range(30_000)}})
    assert why == "there is too much of it: a request's schemas may have 50000 values (at $)"
