"""Tools and choices, as the Responses API has them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Tool, ToolChoice
from gateway.errors import Reject
from gateway.surfaces.responses.tools import tools_of


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}
TIME = {"type": "function", "name": "get_time", "description": "Tells it.", "parameters": None}


def wanted(choice: Any = None, *tools: Any) -> Any:
    return tools_of({"tools": list(tools or (WEATHER, TIME)), "tool_choice": choice})


def test_functions() -> None:
    """Their fields stand in the tool itself."""
    offer = wanted().offer
    assert offer.tools == (Tool("get_weather", "", SCHEMA), Tool("get_time", "Tells it.", {}))
    assert offer.choice == ToolChoice()


def test_none() -> None:
    """Most requests have no tools."""
    assert tools_of({}).offer.tools == ()
    assert tools_of({"tools": None, "tool_choice": "auto"}).offer.tools == ()


def test_tools_that_openai_would_run_are_left_out() -> None:
    """Clients offer them to everybody; an agent of Letta's has its own."""
    found = wanted(None, {"type": "web_search"}, WEATHER, {"type": "namespace", "tools": []})
    assert [tool.name for tool in found.offer.tools] == ["get_weather"]
    assert found.left_out == {"web_search", "namespace"}


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "get_time"}, ToolChoice("required", "get_time")),
    ],
)
def test_choices(choice: Any, read: ToolChoice) -> None:
    """A function is named by its name alone."""
    assert wanted(choice).offer.choice == read


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_some_of_the_tools(mode: Any) -> None:
    """Only those that are allowed are offered."""
    listed = [{"type": "function", "name": "get_time"}]
    offer = wanted({"type": "allowed_tools", "mode": mode, "tools": listed}).offer
    assert [tool.name for tool in offer.tools] == ["get_time"]
    assert offer.choice == ToolChoice(mode)


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ([WEATHER] * 129, "tools"),
        ([5], "tools.[0]"),
        ([{"name": "f"}], "tools.[0].type"),
        ([{"type": "web_search"}, {"type": "function", "name": "a b"}], "tools.[1].name"),
        ([{**WEATHER, "parameters": {"type": "array"}}], "tools.[0].parameters"),
        ([WEATHER, WEATHER], "tools.[1]"),
    ],
)
def test_tools_that_are_none(tools: Any, param: str) -> None:
    """A 400 names the place."""
    with pytest.raises(Reject) as refused:
        tools_of({"tools": tools})
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ("any", "tool_choice"),
        ({"type": "function", "name": "other"}, "tool_choice"),
        ({"type": "web_search"}, "tool_choice"),
        ({"type": "allowed_tools", "mode": "auto"}, "tool_choice.tools"),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, "tool_choice"),
    ],
)
def test_choices_that_cannot_be_had(choice: Any, param: str) -> None:
    """Nor a choice of what is not there."""
    with pytest.raises(Reject) as refused:
        wanted(choice)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_a_call_is_asked_for_and_there_is_nothing_to_call() -> None:
    """Tools that are left out are none."""
    with pytest.raises(Reject, match="no functions"):
        wanted("required", {"type": "web_search"})
