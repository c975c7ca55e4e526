"""The `tools` and `tool_choice` of the Responses API; what cannot be called is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from gateway.call import Tool, ToolChoice
from gateway.json_schema import SchemaReader
from gateway.surfaces.openai_messages import kind, refuse
from gateway.surfaces.openai_tools import MOST_TOOLS, Offer, function_of, no_twins


@attrs.frozen
class ToolsWanted:
    """The functions that are offered, and the kinds of other tools, which an agent cannot call."""

    offer: Offer = attrs.field(factory=Offer)
    left_out: frozenset[str] = frozenset()


def tools_of(body: Mapping[str, Any]) -> ToolsWanted:
    """
    The tools of a request.

    Raises:
        Reject: A tool has no good name, two have one name, a schema is none, or the choice
            names a tool that is not there.
    """
    value = body.get("tools")
    if value is None:
        value = []
    if not isinstance(value, list):
        refuse("tools", f"'tools' must be a list, not {kind(value)}.", "invalid_type")
    if len(value) > MOST_TOOLS:
        refuse("tools", f"'tools' has {len(value)} entries; {MOST_TOOLS} is the most.")
    reader = SchemaReader()
    functions = {i: item for i, item in enumerate(value) if _type(item, i) == "function"}
    tools = tuple(function_of(each, f"tools.[{i}]", reader) for i, each in functions.items())
    no_twins(tools, "tools")
    others = frozenset(item["type"] for i, item in enumerate(value) if i not in functions)
    return ToolsWanted(_chosen(body.get("tool_choice"), tools), others)


def _type(item: object, i: int) -> str:
    at = f"tools.[{i}]"
    if not isinstance(item, dict):
        refuse(at, f"'{at}' must be an object, not {kind(item)}.", "invalid_type")
    named = item.get("type")
    if not isinstance(named, str):
        refuse(f"{at}.type", f"'{at}.type' must be text.", "invalid_type")
    return named


def _chosen(value: object, tools: tuple[Tool, ...]) -> Offer:
    choice = _choice(value)
    if isinstance(value, dict) and value.get("type") == "allowed_tools":
        allowed = _allowed(value)
        tools = tuple(tool for tool in tools if tool.name in allowed)
    if choice.mode == "required" and not tools:
        refuse("tool_choice", "'tool_choice' asks for a call, and there are no functions.")
    if choice.name is not None and choice.name not in {tool.name for tool in tools}:
        text = f"'tool_choice' names '{choice.name}', which is not among the tools."
        refuse("tool_choice", text)
    return Offer(tools, choice)


def _choice(value: object) -> ToolChoice:
    match value:
        case None:
            return ToolChoice()
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"type": "function", "name": str(name)}:
            return ToolChoice("required", name)
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode}:
            return ToolChoice(mode)
        case _:
            text = "'tool_choice' must be auto, none, required, or name a function or some."
            return refuse("tool_choice", text)


def _allowed(value: Mapping[str, Any]) -> frozenset[str]:
    listed = value.get("tools")
    if not isinstance(listed, list):
        refuse("tool_choice.tools", "'tool_choice.tools' must be a list.", "invalid_type")
    return frozenset(str(each.get("name")) for each in listed if isinstance(each, dict))
