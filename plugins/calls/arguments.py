"""Arguments of calls by proxy, in which Letta has some of its own for older agents.

What the client's tool calls the same is called otherwise at Letta, and back again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.plugin import Tool


LETTAS_OWN = frozenset({"request_heartbeat", "thinking"})


def schema_there(tool: Tool) -> Mapping[str, Any]:
    """What the tool takes, as Letta is told: it fails without either of the three keys."""
    renamed = _renamed(tool)
    schema = {"type": "object", "properties": {}, "required": [], **tool.parameters}
    properties = schema["properties"].items()
    schema["properties"] = {renamed.get(name, name): value for name, value in properties}
    schema["required"] = [renamed.get(name, name) for name in schema["required"]]
    return schema


def arguments_here(text: str, tool: Tool) -> str:
    """A call's arguments as the client knows them; what is no readable object stays as it is."""
    try:
        arguments = json.loads(text or "{}")
        return json.dumps(_own(arguments, tool)) if isinstance(arguments, dict) else text
    except (ValueError, RecursionError):  # it may be nested too deep to be read, or written
        return text


def _own(arguments: Mapping[str, Any], tool: Tool) -> Mapping[str, Any]:
    back = {there: here for here, there in _renamed(tool).items()}
    own = {name: value for name, value in arguments.items() if name not in LETTAS_OWN}
    return {back.get(name, name): value for name, value in own.items()}


def _renamed(tool: Tool) -> Mapping[str, str]:
    properties = tool.parameters.get("properties", {})
    renamed = {}
    for name in LETTAS_OWN & set(properties):
        there = f"{name}_"
        while there in properties:
            there += "_"
        renamed[name] = there
    return renamed
