from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Tool, ToolChoice
from gateway.errors import Reject
from gateway.surfaces.openai_tools import MOST_TOOLS, Offer, offer_of


def tool(name: object = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def refused(body: dict[str, Any]) -> Reject:
    with pytest.raises(Reject) as caught:
        offer_of(body)
    assert caught.value.status == 400
    return caught.value


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_nothing() -> None:
    """Most requests have no tools."""
    assert offer_of({}) == Offer()
    assert offer_of({"tools": None, "tool_choice": None}) == Offer()
    assert offer_of({"tools": []}) == Offer()


def test_tools() -> None:
    """Name, description and schema are read, and what else clients send is let be."""
    whole = tool("weather", description="Tells it", parameters=SCHEMA, strict=True)
    offer = offer_of({"tools": [whole, tool("time"), {"function": {"name": "x"}}]})
    assert offer.tools == (Tool("weather", "Tells it", SCHEMA), Tool("time"), Tool("x"))
    assert not offer.functions


def test_functions() -> None:
    """OpenAI's older form; the newer one wins where both are sent."""
    older = {"name": "weather", "parameters": SCHEMA}
    assert offer_of({"functions": [older]}) == Offer((Tool("weather", "", SCHEMA),), functions=True)
    both = offer_of({"functions": [older], "tools": [tool("time")]})
    assert both == Offer((Tool("time"),))
    assert refused({"functions": [{"name": ""}]}).param == "functions.[0].name"


def test_both_forms() -> None:
    """Nothing is lost where a field of the other form is all there is."""
    older = [{"name": "weather"}]
    assert offer_of({"tools": [], "functions": older}) == offer_of({"functions": older})
    none = ToolChoice("none")
    assert offer_of({"functions": older, "tool_choice": "none"}).choice == none
    assert offer_of({"tools": [tool("time")], "function_call": "none"}).choice == none
    named = {"tool_choice": "auto", "function_call": "none"}
    assert offer_of({"tools": [tool("time")], **named}).choice == ToolChoice()


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 64, "-", "_"])
def test_good_names(name: str) -> None:
    """As OpenAI has them."""
    assert offer_of({"tools": [tool(name)]}).tools[0].name == name


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a b", "a.b", "é", "a\n", "a/b", None, 1, ["a"], {"a": 1}, True]
)
def test_bad_names(name: object) -> None:
    """So are these refused, at their place."""
    assert refused({"tools": [tool("ok"), tool(name)]}).param == "tools.[1].function.name"


@given(st.text(min_size=1, max_size=70))
def test_any_name(name: str) -> None:
    """What is taken has OpenAI's form."""
    try:
        offer_of({"tools": [tool(name)]})
    except Reject:
        return
    assert name.isascii()
    assert len(name) <= 64
    assert name.replace("-", "").replace("_", "").isalnum() or not name.strip("-_")


def test_two_of_one_name() -> None:
    """A result could not be told apart."""
    reject = refused({"tools": [tool("a"), tool("b"), tool("a")]})
    assert reject.param == "tools.[2]"
    assert "'a'" in reject.message


def test_how_many() -> None:
    """As many as OpenAI takes."""
    every = [tool(f"t{i}") for i in range(MOST_TOOLS)]
    assert len(offer_of({"tools": every}).tools) == 128
    assert refused({"tools": [*every, tool("last")]}).param == "tools"


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ("weather", "tools"),
        (["weather"], "tools.[0]"),
        ([{"type": "function"}], "tools.[0].function"),
        ([{"type": "function", "function": "weather"}], "tools.[0].function"),
        ([{"type": "web_search"}], "tools.[0].type"),
        ([{"type": "custom", "custom": {"name": "a"}}], "tools.[0].type"),
    ],
)
def test_tools_that_are_none(tools: object, param: str) -> None:
    """What cannot be read is refused at its place."""
    assert refused({"tools": tools}).param == param


@pytest.mark.parametrize(
    "schema",
    [
        [1],
        "object",
        True,
        {"type": "string"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": {"type": "strnig"}}},
        {"type": "object", "required": "a"},
        {"type": "object", "properties": {"a": {"minimum": "1"}}},
        {"type": "object", "properties": {"a": {"enum": 1}}},
    ],
)
def test_bad_schemas(schema: object) -> None:
    """A model could not make sense of them, and neither can OpenAI."""
    reject = refused({"tools": [tool("ok"), tool("a", parameters=schema)]})
    assert reject.param == "tools.[1].function.parameters"


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": {}},
        SCHEMA,
        {"type": "object", "additionalProperties": False, "$defs": {"x": {"type": "null"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        {"type": "object", "properties": {"a": {"type": ["string", "null"], "default": None}}},
    ],
)
def test_good_schemas(schema: dict[str, Any]) -> None:
    """Whatever generators write is taken as it is."""
    (read,) = offer_of({"tools": [tool("a", parameters=schema)]}).tools
    assert read.parameters == schema


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"inner": schema}}
    return schema


def test_deep_schemas() -> None:
    """Some are generated from classes within classes."""
    (read,) = offer_of({"tools": [tool("a", parameters=nested(50))]}).tools
    assert read.parameters == nested(50)


def test_many_tools_with_large_schemas() -> None:
    """As many as OpenAI takes, of thirty objects each."""
    fields = {f"field_{i}": {"type": "string", "description": "x"} for i in range(3)}
    entity = {"type": "object", "properties": fields, "required": ["field_0"]}
    schema = {"type": "object", "properties": {f"entity_{i}": entity for i in range(23)}}
    tools = [tool(f"tool_{i}", parameters=schema) for i in range(128)]
    assert len(offer_of({"tools": tools}).tools) == 128


@pytest.mark.parametrize("older", [True, False])
def test_schemas_that_are_too_large(older: bool) -> None:
    """One is refused at once, and so are many that are too large together."""
    names = [f"p{i}" for i in range(10_000)]
    schemas = [
        {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        for _ in range(3)
    ]
    body = {"tools": [tool(f"tool_{i}", parameters=each) for i, each in enumerate(schemas)]}
    if older:
        body = {"functions": [each["function"] for each in body["tools"]]}
    reject = refused(body)
    at = "functions.[2].parameters" if older else "tools.[2].function.parameters"
    assert (reject.code, reject.param) == ("invalid_schema", at)
    assert "there is too much of it" in reject.message


def test_schemas_that_are_too_deep() -> None:
    """They are refused, and nothing breaks."""
    reject = refused({"tools": [tool("a", parameters=nested(120))]})
    assert reject.param == "tools.[0].function.parameters"


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "weather"}}, ToolChoice("required", "weather")),
    ],
)
def test_choices(choice: object, read: ToolChoice) -> None:
    """A named tool has to be called."""
    assert offer_of({"tools": [tool()], "tool_choice": choice}).choice == read


@pytest.mark.parametrize("choice", ["any", 1, [], {}, {"type": "function"}, {"function": {}}, True])
def test_choices_that_are_none(choice: object) -> None:
    """They are refused."""
    assert refused({"tools": [tool()], "tool_choice": choice}).param == "tool_choice"


@pytest.mark.parametrize(
    "body",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        {"tools": [tool("time")], "tool_choice": {"function": {"name": "weather"}}},
    ],
)
def test_choices_of_what_is_not_there(body: dict[str, Any]) -> None:
    """There is nothing that could be called."""
    assert refused(body).param == "tool_choice"


def test_choices_of_the_older_form() -> None:
    """They have a field and a form of their own."""
    body = {"functions": [{"name": "weather"}], "function_call": {"name": "weather"}}
    assert offer_of(body).choice == ToolChoice("required", "weather")
    assert refused({**body, "function_call": {"name": "time"}}).param == "function_call"
    assert offer_of({**body, "function_call": "none"}).choice == ToolChoice("none")
