"""Tools that FakeLetta's agents run themselves."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from typing import Any

import attrs

from gateway.testing.fakeletta.history import Returned, ToolCall
from gateway.testing.fakeletta.identity import new_id


@attrs.frozen
class ServerTool:
    """
    A tool of an agent's own.

    Args:
        name: What the model calls it.
        run: The tool. What it prints is its stdout; what it raises is its failure.
        description: What it is for.
        requires_approval: Ask before it runs (the older way to have a client run it).
        seconds: How long it takes.
        schema: Its `json_schema`; by default what `run` takes.
        tags: Its tags.
    """

    name: str
    run: Callable[..., Any]
    description: str = ""
    requires_approval: bool = False
    seconds: float = 0.0
    schema: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()
    id: str = attrs.field(factory=lambda: new_id("tool"))

    @property
    def state(self) -> dict[str, Any]:
        """The tool as `GET /v1/tools/{id}` shows it."""
        return {
            "id": self.id,
            "tool_type": "custom",
            "description": self.description,
            "source_type": "python",
            "name": self.name,
            "tags": list(self.tags),
            "json_schema": self.json_schema,
            "default_requires_approval": self.requires_approval or None,
        }

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """Its name, its description and what it takes."""
        own = {"name": self.name, "description": self.description}
        return {**own, "parameters": _schema(self.run)} if self.schema is None else self.schema


def run_tool(
    call: ToolCall, tools: Mapping[str, ServerTool], *, approved: bool = False
) -> Returned:
    """Run the tool that is called; one that fails or is unknown gives an error as its result."""
    tool = tools.get(call.name)
    if tool is None:
        return Returned(call.id, _unknown(call.name, tools, approved), ok=False, name=call.name)
    return _run(tool, call)


def _unknown(name: str, tools: Iterable[str], approved: bool) -> str:
    if approved:
        return "Tool not found"
    return f"[ToolConstraintError] Cannot call {name}, valid tools include: {list(tools)}."


def arguments(call: ToolCall) -> dict[str, Any]:
    """A call's arguments without what Letta adds for itself."""
    return {key: value for key, value in read_arguments(call).items() if key not in _LETTAS_OWN}


def read_arguments(call: ToolCall) -> dict[str, Any]:
    """A call's arguments; broken JSON is none."""
    try:
        data = json.loads(call.arguments)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


_LETTAS_OWN = frozenset({"request_heartbeat", "thinking"})


def _run(tool: ServerTool, call: ToolCall) -> Returned:
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            result = str(tool.run(**arguments(call)))
    except Exception as error:  # noqa: BLE001  what a tool raises is its result
        return _failed(tool, call, error)
    stdout = [printed.getvalue()] if printed.getvalue() else []
    return Returned(call.id, result, stdout=stdout, stderr=[], name=tool.name)


def _failed(tool: ServerTool, call: ToolCall, error: Exception) -> Returned:
    what = f"{type(error).__name__}: {error}"
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/tool_execution_dir/tool.py", line 42, in <module>\n'
        f"    _function_result = {tool.name}(...)\n{what}\n"
    )
    text = f"Error executing function {tool.name}: {what}"
    return Returned(call.id, text, ok=False, stdout=[], stderr=[trace], name=tool.name)


def _schema(run: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(run).parameters.values()
    return {
        "type": "object",
        "properties": {parameter.name: {"type": "string"} for parameter in parameters},
        "required": [p.name for p in parameters if p.default is inspect.Parameter.empty],
    }
