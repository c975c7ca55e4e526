"""Arguments of calls by proxy, there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plugin import Tool
from plugins.calls.arguments import LETTAS_OWN, arguments_here, schema_there


PLAIN = Tool("look", parameters={"type": "object", "properties": {"at": {"type": "string"}}})
SAME = Tool(
    "look",
    parameters={
        "type": "object",
        "properties": {"thinking": {}, "thinking_": {}, "request_heartbeat": {}, "at": {}},
        "required": ["at", "thinking"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize(
    "parameters", [{}, {"type": "object"}, {"properties": {}}, {"required": []}]
)
def test_what_letta_needs(parameters):
    """A tool that takes nothing says so in all three ways."""
    schema = schema_there(Tool("look", parameters=parameters))
    assert schema == {"type": "object", "properties": {}, "required": []}


def test_the_rest_stays():
    """What the client says of its tool is what the model reads."""
    parameters = {**PLAIN.parameters, "required": ["at"], "$defs": {"a": {}}, "description": "x"}
    assert schema_there(Tool("look", parameters=parameters)) == parameters


def test_names_that_letta_has_of_its_own():
    """They are other names at Letta, and none that the tool has already."""
    schema = schema_there(SAME)
    assert list(schema["properties"]) == ["thinking__", "thinking_", "request_heartbeat_", "at"]
    assert schema["required"] == ["at", "thinking__"]


def test_lettas_own_are_taken_out():
    """The client never asked for them."""
    text = '{"thinking": "hm", "at": "home", "request_heartbeat": true}'
    assert json.loads(arguments_here(text, PLAIN)) == {"at": "home"}


def test_and_the_tools_own_come_back():
    """Each under the name by which the client knows it."""
    text = '{"thinking": "hm", "thinking__": 1, "thinking_": 2, "request_heartbeat_": 3, "at": 4}'
    assert json.loads(arguments_here(text, SAME)) == {
        "thinking": 1,
        "thinking_": 2,
        "request_heartbeat": 3,
        "at": 4,
    }


def test_nothing_deeper_is_touched():
    """Letta adds its own only beside the tool's."""
    text = '{"at": {"thinking": "x", "request_heartbeat": [1]}}'
    assert json.loads(arguments_here(text, PLAIN)) == json.loads(text)


def test_no_arguments():
    """They are an empty object."""
    assert arguments_here("", PLAIN) == "{}"


@pytest.mark.parametrize(
    "text",
    [
        '{"at": "ho',
        "[1]",
        "null",
        "3",
        pytest.param('{"at":' * 1500 + "1" + "}" * 1500, id="deep"),
    ],
)
def test_what_is_no_object_stays(text):
    """The client learns what the model said."""
    assert arguments_here(text, PLAIN) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*sorted(LETTAS_OWN), "thinking_", "at"]) | st.text(max_size=5)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_there_and_back(arguments):
    """Whatever the tool's arguments are called, the client gets them as the model gave them."""
    tool = Tool("look", parameters={"properties": {name: {} for name in arguments}})
    there = dict(zip(schema_there(tool)["properties"], arguments.values(), strict=True))
    told = {"thinking": "hm", **there, "request_heartbeat": True}
    assert len(told) == len(arguments) + 2
    assert json.loads(arguments_here(json.dumps(told), tool)) == arguments
