"""Input items become `Message`s; what cannot be taken is a 400 that names its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from gateway.call import Message, Part, ToolCall
from gateway.json_text import dumps
from gateway.surfaces.openai_messages import ROLES, kind, parts_of, refuse


Item: TypeAlias = Mapping[str, Any]

# What the agent remembers by itself, or what only says where something stood.
UNSAID = frozenset({"reasoning", "mcp_call", "mcp_list_tools", "item_reference"})

SPEAKERS = frozenset({"user", "assistant", "system", "developer"})

# What chat completions call the same parts; the last ones have these names there.
CHATS_NAMES = {
    "input_text": "text",
    "output_text": "text",
    "input_image": "image_url",
    "refusal": "refusal",
    "text": "text",
    "image_url": "image_url",
}

FAILED = frozenset({"failed", "incomplete"})


def items_of(value: object) -> list[Item]:
    """
    The field `input`: text stands for one message of the user's.

    Raises:
        Reject: It is neither text nor a list of items.
    """
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        refuse("input", "'input' must be text, or a list of at least one item.")
    for i, item in enumerate(value):
        if not isinstance(item, dict):
            text = f"'input.[{i}]' must be an object, not {kind(item)}."
            refuse(f"input.[{i}]", text, "invalid_type")
        if not type_of(item):
            text = f"'input.[{i}].type' must be text that says what kind of item it is."
            refuse(f"input.[{i}].type", text, "invalid_type")
    return value


def type_of(item: Item) -> str:
    """What kind of item it is, or ""; messages and references need not say so."""
    named = item.get("type")
    if named is None and "role" in item:
        return "message"
    if named is None and "id" in item:
        return "item_reference"
    return named if isinstance(named, str) else ""


def unknown_in(items: Iterable[Item]) -> frozenset[str]:
    """The kinds among these items that say nothing to an agent of Letta's."""
    return frozenset(type_of(item) for item in items) - UNSAID - frozenset(READ)


def messages_of(items: Sequence[Item], at: str = "input") -> tuple[Message, ...]:
    """
    What these items say. Calls that follow one another were made together.

    Raises:
        Reject: One has a part that Letta cannot be sent.
    """
    messages: list[Message] = []
    calling = False
    for i, item in enumerate(items):
        read = READ.get(type_of(item))
        if read is None:
            continue
        message = read(item, f"{at}.[{i}]")
        if message.tool_calls and calling:
            calls = (*messages[-1].tool_calls, *message.tool_calls)
            messages[-1] = attrs.evolve(messages[-1], tool_calls=calls)
        else:
            messages.append(message)
        calling = bool(message.tool_calls)
    return tuple(messages)


def _message(item: Item, at: str) -> Message:
    role = item.get("role")
    if not isinstance(role, str) or role not in SPEAKERS:
        refuse(f"{at}.role", f"'{at}.role' must be one of: {', '.join(sorted(SPEAKERS))}.")
    content = item.get("content")
    if content is None:
        text = f"'{at}.content' must be text or a list of parts, not null."
        refuse(f"{at}.content", text)
    return Message(ROLES[role], _parts(content, f"{at}.content"))


def _parts(content: object, at: str) -> tuple[Part, ...]:
    """Content as chat completions have it: its parts have other names there."""
    if isinstance(content, list):
        content = [_as_chat(part, f"{at}.[{i}]") for i, part in enumerate(content)]
    return parts_of(content, at)


def _as_chat(part: object, at: str) -> object:
    if not isinstance(part, dict):
        return part
    named = part.get("type")
    if not isinstance(named, str) or named not in CHATS_NAMES:
        shown = str(named)[:40]
        text = f"'{at}' has the type '{shown}'; only input_text and input_image can be sent."
        refuse(f"{at}.type", text, "unsupported_content")
    return {**part, "type": CHATS_NAMES[named]}


def _call(item: Item, at: str) -> Message:
    arguments = item.get("arguments") or "{}"
    if not isinstance(arguments, str):
        arguments = dumps(arguments).decode()
    return _calling(item, at, arguments)


def _custom_call(item: Item, at: str) -> Message:
    return _calling(item, at, dumps({"input": item.get("input")}).decode())


def _calling(item: Item, at: str, arguments: str) -> Message:
    call = ToolCall(_call_id(item, at), str(item.get("name") or ""), arguments)
    return Message("assistant", (), tool_calls=(call,))


def _result(item: Item, at: str) -> Message:
    output = item.get("output")
    failed = (
        item.get("is_error") is True
        or str(item.get("status")) in FAILED
        or (isinstance(output, str) and output.startswith("Error:"))
    )
    parts = _parts(output, f"{at}.output")
    return Message("tool", parts, tool_call_id=_call_id(item, at), failed=failed)


def _call_id(item: Item, at: str) -> str:
    call_id = item.get("call_id")
    if not isinstance(call_id, str) or not call_id:
        refuse(f"{at}.call_id", f"'{at}.call_id' must be text that names a call.")
    return call_id


READ: Mapping[str, Callable[[Item, str], Message]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _result,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _result,
}
