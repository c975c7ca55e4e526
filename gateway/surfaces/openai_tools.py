"""OpenAI's `tools` and `tool_choice`, and the older `functions`; what OpenAI refuses is a 400."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from gateway.call import Tool, ToolChoice
from gateway.json_schema import SchemaReader
from gateway.surfaces.openai_messages import kind, refuse


NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
MOST_TOOLS = 128


@attrs.frozen
class Offer:
    """The client's tools. `functions` says that they came in the older form."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = attrs.field(factory=ToolChoice)
    functions: bool = False


def offer_of(body: Mapping[str, Any]) -> Offer:
    """
    The tools of a request.

    Raises:
        Reject: A tool has no good name, two have one name, a schema is none, or the choice
            names a tool that is not there.
    """
    sent = [body.get(name) for name in ("functions", "function_call")]
    older = body.get("tools") in (None, []) and any(value is not None for value in sent)
    field = "functions" if older else "tools"
    tools = _tools(body.get(field), field)
    forms = ("function_call", "tool_choice") if older else ("tool_choice", "function_call")
    chosen = next((name for name in forms if body.get(name) is not None), forms[0])
    choice = _choice(body.get(chosen), chosen)
    if choice.mode == "required" and not tools:
        refuse(chosen, f"'{chosen}' asks for a call, and there are no tools.")
    if choice.name is not None and choice.name not in {tool.name for tool in tools}:
        refuse(chosen, f"'{chosen}' names '{choice.name}', which is not among the tools.")
    return Offer(tools, choice, older)


def _tools(value: object, field: str) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        refuse(field, f"'{field}' must be a list, not {kind(value)}.", "invalid_type")
    if len(value) > MOST_TOOLS:
        refuse(field, f"'{field}' has {len(value)} entries; {MOST_TOOLS} is the most.")
    reader = SchemaReader()
    tools = tuple(_tool(item, f"{field}.[{i}]", field, reader) for i, item in enumerate(value))
    no_twins(tools, field)
    return tools


def no_twins(tools: Sequence[Tool], field: str) -> None:
    """
    Names tell tools apart.

    Raises:
        Reject: Two have the same.
    """
    seen: set[str] = set()
    for i, tool in enumerate(tools):
        if tool.name in seen:
            refuse(f"{field}.[{i}]", f"Two of '{field}' have the name '{tool.name}'.")
        seen.add(tool.name)


def _tool(item: object, at: str, field: str, reader: SchemaReader) -> Tool:
    if not isinstance(item, dict):
        refuse(at, f"'{at}' must be an object, not {kind(item)}.", "invalid_type")
    if field == "functions":
        return function_of(item, at, reader)
    return function_of(_function(item, at), f"{at}.function", reader)


def function_of(function: Mapping[str, Any], at: str, reader: SchemaReader) -> Tool:
    """
    One function, which stands `at` this place of the request.

    Raises:
        Reject: It has no good name, or its parameters are no schema of an object.
    """
    name = function.get("name")
    if not isinstance(name, str) or not NAME.match(name):
        text = f"'{at}.name' must be 1 to 64 letters, digits, underscores or dashes."
        refuse(f"{at}.name", text)
    description = str(function.get("description") or "")
    return Tool(name, description, _schema(function, f"{at}.parameters", reader))


def _function(item: Mapping[str, Any], at: str) -> Mapping[str, Any]:
    if item.get("type", "function") != "function":
        refuse(f"{at}.type", f"'{at}' is no function; an agent can call only functions.")
    function = item.get("function")
    if not isinstance(function, dict):
        refuse(f"{at}.function", f"'{at}.function' must be an object.", "invalid_type")
    return function


def _schema(function: Mapping[str, Any], at: str, reader: SchemaReader) -> Mapping[str, Any]:
    schema = function.get("parameters")
    if schema is None:
        return {}
    if not isinstance(schema, dict):
        refuse(at, f"'{at}' must be a JSON schema, not {kind(schema)}.", "invalid_type")
    if schema.get("type", "object") != "object":
        refuse(at, f"'{at}' must be the schema of an object.", "invalid_schema")
    if (wrong := reader.wrong(schema)) is not None:
        refuse(at, f"'{at}' cannot be read as a JSON schema: {wrong}", "invalid_schema")
    return schema


def _choice(value: object, field: str) -> ToolChoice:
    match value:
        case None:
            return ToolChoice()
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return ToolChoice("required", name)
        case _:
            text = f"'{field}' must be auto, none, required, or name a function."
            return refuse(field, text)
