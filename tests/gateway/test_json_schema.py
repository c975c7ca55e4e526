from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, SchemaError

from gateway.json_schema import DEEPEST, MOST_VALUES, READS, SchemaReader


WORDS = [*sorted(READS), "const", "default", "x-own"]
PLAIN = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        -1,
        1.0,
        0.5,
        "",
        "a",
        "a b",
        "a#",
        "string",
        [],
        ["a"],
        ["a", "a"],
        ["null"],
    ]
)
SCHEMAS = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=8,
)


def wrong(schema: object) -> str | None:
    return SchemaReader().wrong(schema)


def by_the_book(schema: Any) -> bool:
    """By draft 2020-12's own schema, which takes a hundred times as long."""
    try:
        Draft202012Validator.check_schema(schema, format_checker=None)
    except SchemaError:
        return False
    return True


@given(schema=SCHEMAS)
def test_as_the_draft_has_it(schema):
    """What is a schema there is one here, and nothing else."""
    assert (wrong(schema) is None) is by_the_book(schema)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "value",
    [
        *[None, True, 0, 1, -1, 1.0, 0.5, "", "a", "a b", "a#", "#a#", "string", {}, {"a": 1}],
        *[[], ["a"], ["a", "a"], ["null"], ["null", "a"], [{}], [1], {"a": {}}, {"a": ["a"]}],
        *[{"a": ["a", "a"]}, {"a": {"type": 1}}, [True, {"type": 1}], {"a": True}],
    ],
    ids=repr,
)
def test_each_word(word, value):
    """With values of all kinds."""
    assert (wrong({word: value}) is None) is by_the_book({word: value})


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (5, "it must be a schema: an object or a boolean (at $)"),
        ({"properties": []}, "it must be an object (at $.properties)"),
        ({"anyOf": [True, {"title": 1}]}, "it must be text (at $.anyOf.1.title)"),
        (
            {"properties": {"a": {"dependentRequired": {"b": "c"}}}},
            "it must be a list of names, each once (at $.properties.a.dependentRequired.b)",
        ),
        ({"minLength": -1}, "it must be a whole number, and not below 0 (at $.minLength)"),
    ],
)
def test_what_is_wrong(schema, why):
    """And where."""
    assert wrong(schema) == why


@pytest.mark.parametrize("pattern", ["(", r"^\\p{L}+$"])
def test_patterns_of_other_engines(pattern):
    """They are the client's business."""
    assert wrong({"pattern": pattern, "patternProperties": {pattern: {}}}) is None


def nested(levels: int) -> object:
    schema: object = True
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def test_deep_ones():
    """Up to what is read without danger, and wherever it is deep."""
    assert wrong(nested(DEEPEST - 1)) is None
    for schema in (nested(DEEPEST), {"const": nested(DEEPEST)}):
        assert wrong(schema) == f"it is nested too deep: {DEEPEST} levels are the most (at $)"


def test_a_path_that_is_long():
    """The reason is for people."""
    name = "x" * 10_000
    assert len(wrong({"properties": {name: 1}}) or "") < 300


def test_large_ones():
    """All schemas of a request count together."""
    half = {"enum": list(range(MOST_VALUES // 2))}
    reader = SchemaReader()
    assert reader.wrong(half) is None
    assert reader.wrong({**half}) == (
        f"there is too much of it: a request's schemas may have {MOST_VALUES} values (at $)"
    )


def test_one_that_was_read():
    """It does not count again."""
    schema = {"$defs": {"a": {"enum": list(range(MOST_VALUES - 10))}}}
    reader = SchemaReader()
    assert reader.wrong(schema) is None
    assert reader.wrong(schema["$defs"]["a"]) is None


def test_references():
    """They are known when it was read; data has none."""
    reader = SchemaReader()
    schema = {
        "items": {"$ref": "#/a"},
        "$ref": "#/b",
        "properties": {"$ref": {"type": "null"}},
        "const": {"$ref": "#/c"},
    }
    assert reader.wrong(schema) is None
    assert reader.references == {"#/a", "#/b"}
