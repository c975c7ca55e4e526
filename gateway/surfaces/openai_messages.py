"""OpenAI's messages become `Message`s; what cannot be taken is a 400 that names its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gateway.call import Image, Message, Part, Role, Text, ToolCall
from gateway.errors import Reject
from gateway.json_text import dumps


ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=_-]+)\Z")


def refuse(param: str, message: str, code: str = "invalid_value") -> NoReturn:
    """Answer 400 and name the field."""
    raise Reject(400, code, message, param=param)


def messages_of(value: object) -> tuple[Message, ...]:
    """
    The field `messages`.

    Raises:
        Reject: It is not a list of messages, or has a part that Letta cannot be sent.
    """
    if not isinstance(value, list) or not value:
        refuse("messages", "'messages' must be a list of at least one message.")
    return tuple(_message(item, f"messages.[{i}]") for i, item in enumerate(value))


def _message(item: object, at: str) -> Message:
    if not isinstance(item, dict):
        refuse(at, f"'{at}' must be an object, not {kind(item)}.", "invalid_type")
    role = ROLES.get(item["role"]) if isinstance(item.get("role"), str) else None
    if role is None:
        refuse(f"{at}.role", f"'{at}.role' must be one of: {', '.join(ROLES)}.")
    content = item.get("content")
    if content is None and role in {"user", "system"}:
        refuse(f"{at}.content", f"'{at}.content' must be text or a list of parts, not null.")
    name = item.get("name")
    return Message(
        role=role,
        parts=parts_of(content, f"{at}.content"),
        name=name if isinstance(name, str) and role in {"user", "tool"} else None,
        tool_calls=_tool_calls(item, at) if role == "assistant" else (),
        # The older role names the function and no call.
        tool_call_id=str(item.get("tool_call_id") or "") if item["role"] == "tool" else None,
        failed=role == "tool" and _failed(item),
    )


def _failed(item: Mapping[str, Any]) -> bool:
    """OpenAI has no mark for it: clients write one of their own, or begin the text so."""
    content = item.get("content")
    return item.get("is_error") is True or (
        isinstance(content, str) and content.startswith("Error:")
    )


def parts_of(content: object, at: str) -> tuple[Part, ...]:
    """
    A message's content: text, a list of parts, or nothing.

    Raises:
        Reject: It is none of these; `at` is where it stands.
    """
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        refuse(at, f"'{at}' must be text or a list of parts, not {kind(content)}.", "invalid_type")
    return tuple(_part(part, f"{at}.[{i}]") for i, part in enumerate(content))


def _part(part: object, at: str) -> Part:
    if not isinstance(part, dict):
        refuse(at, f"'{at}' must be an object, not {kind(part)}.", "invalid_type")
    read = PARTS.get(part["type"]) if isinstance(part.get("type"), str) else None
    if read is None:
        shown = str(part.get("type"))[:40]
        text = f"'{at}' has the type '{shown}'; only text and image_url can be sent."
        refuse(f"{at}.type", text, "unsupported_content")
    return read(part, at)


def _text(part: Mapping[str, Any], at: str) -> Part:
    text = part.get("text", part.get("refusal"))
    if not isinstance(text, str):
        refuse(f"{at}.text", f"'{at}.text' must be text, not {kind(text)}.", "invalid_type")
    return Text(text)


def _image(part: Mapping[str, Any], at: str) -> Part:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if isinstance(url, str) and (data := DATA_URL.match(url)):
        return Image(media_type=data[1], data=data[2])
    if isinstance(url, str) and url.startswith("https://"):
        return Image(url=url)
    at = f"{at}.image_url.url" if isinstance(image, dict) else f"{at}.image_url"
    text = f"'{at}' must be an https: URL or a base64 data: URL of an image."
    refuse(at, text, "invalid_image_url")


PARTS: Mapping[str, Callable[[Mapping[str, Any], str], Part]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _image,
}


def _tool_calls(item: Mapping[str, Any], at: str) -> tuple[ToolCall, ...]:
    calls = item.get("tool_calls") or ()
    if older := item.get("function_call"):
        calls = [{"function": older}]
    if not isinstance(calls, list | tuple):
        refuse(f"{at}.tool_calls", f"'{at}.tool_calls' must be a list.", "invalid_type")
    return tuple(_tool_call(call, f"{at}.tool_calls.[{i}]") for i, call in enumerate(calls))


def _tool_call(call: object, at: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        refuse(at, f"'{at}' must be a call of a function.", "invalid_type")
    name, arguments = function.get("name"), function.get("arguments") or "{}"
    if not isinstance(arguments, str):
        arguments = dumps(arguments).decode()
    return ToolCall(str(call.get("id") or ""), str(name or ""), arguments)


def kind(value: object) -> str:
    """The JSON name of a value's type, for messages."""
    for types, name in JSON_TYPES:
        if isinstance(value, types):
            return name
    return "null"


JSON_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)
