"""Tools that agents run themselves."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta.history import ToolCall
from gateway.testing.fakeletta.tools import ServerTool, arguments, run_tool


def look(city: str, unit: str = "c") -> str:
    """Look at a city."""
    print("looking")  # noqa: T201
    if city == "Atlantis":
        raise LookupError("sunk")
    return f"{city} in {unit}"


TOOLS = {"look": ServerTool("look", look, "Looks")}


def test_runs() -> None:
    """A tool gets the arguments without what Letta adds; what it prints is its stdout."""
    args = '{"thinking": "x", "city": "Rome", "request_heartbeat": true}'
    result = run_tool(ToolCall("c", "look", args), TOOLS)
    assert (result.text, result.ok, result.stdout) == ("Rome in c", True, ["looking\n"])


@pytest.mark.parametrize(
    ("args", "what"),
    [('{"city": "Atlantis"}', "LookupError: sunk"), ("{}", "TypeError"), ('{"ci', "TypeError")],
)
def test_fails(args: str, what: str) -> None:
    """What a tool raises is its result, with a traceback in stderr."""
    result = run_tool(ToolCall("c", "look", args), TOOLS)
    assert not result.ok
    assert what in result.text
    assert result.stderr
    assert "Traceback" in result.stderr[0]


def test_unknown() -> None:
    """An unknown tool is an error that names those there are."""
    call = ToolCall("c", "nope", "{}")
    assert "['look']" in run_tool(call, TOOLS).text
    assert run_tool(call, TOOLS, approved=True).text == "Tool not found"


def test_arguments_that_are_none() -> None:
    """Arguments that are no object are none."""
    assert arguments(ToolCall("c", "look", "[1]")) == {}


def test_state() -> None:
    """A tool's schema is read from its function."""
    schema = TOOLS["look"].state["json_schema"]
    assert schema["parameters"]["required"] == ["city"]
    assert sorted(schema["parameters"]["properties"]) == ["city", "unit"]
