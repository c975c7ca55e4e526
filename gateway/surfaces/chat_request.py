"""The body of `POST /v1/chat/completions` becomes a `Call`, or a 400 that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from gateway.call import Call, Reply, Tool
from gateway.surfaces.openai_messages import kind, messages_of, refuse


LONGEST_MODEL = 512

# Read here or by a plugin; all other fields of OpenAI's are said to be ignored when sent.
READ = frozenset(
    {
        "conversation",
        "messages",
        "metadata",
        "model",
        "n",
        "stream",
        "stream_options",
    }
)

NOTHING: tuple[object, ...] = (None, [], {})


@attrs.frozen
class ChatRequest:
    """A parsed body: the call, and what the encoder alone needs to know."""

    call: Call
    include_usage: bool


def parse(body: object, headers: Mapping[str, str]) -> ChatRequest:
    """
    Check the body and read it.

    Raises:
        Reject: A field is missing, of the wrong type, or asks for what cannot be had.
    """
    if not isinstance(body, dict):
        refuse("body", f"The body must be a JSON object, not {kind(body)}.", "invalid_type")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("model", "'model' must be text that names an agent.", "missing_model")
    if len(model) > LONGEST_MODEL:
        refuse("model", f"'model' is longer than {LONGEST_MODEL} characters.")
    _single(body)
    call = Call(
        model=model,
        messages=messages_of(body.get("messages")),
        headers=headers,
        body=body,
        stream=_flag(body, "stream"),
        tools=_tools(body.get("tools")),
        reply=Reply(ignored=ignored(body)),
    )
    return ChatRequest(call, include_usage=_include_usage(body))


def ignored(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that were sent and that nothing reads."""
    sent = [name for name, value in body.items() if name not in READ and value not in NOTHING]
    return tuple(sorted(sent, key=lambda name: name != "tools"))  # the one that matters first


def _single(body: Mapping[str, Any]) -> None:
    n, metadata = body.get("n"), body.get("metadata")
    if n is not None and (n != 1 or isinstance(n, bool)):
        refuse("n", "'n' must be 1: an agent gives one answer.", "unsupported_value")
    conversation = body.get("conversation")
    if conversation is not None and not isinstance(conversation, str | dict):
        text = f"'conversation' must be text or an object, not {kind(conversation)}."
        refuse("conversation", text, "invalid_type")
    if metadata is not None and not isinstance(metadata, dict):
        refuse("metadata", f"'metadata' must be an object, not {kind(metadata)}.", "invalid_type")


def _flag(body: Mapping[str, Any], name: str, within: str = "") -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        name = within + name
        refuse(name, f"'{name}' must be true or false, not {kind(value)}.", "invalid_type")
    return bool(value)


def _include_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        refuse("stream_options", "'stream_options' must be an object.", "invalid_type")
    return _flag(options, "include_usage", "stream_options.")


def _tools(value: object) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        refuse("tools", f"'tools' must be a list, not {kind(value)}.", "invalid_type")
    return tuple(_tool(item, f"tools.[{i}]") for i, item in enumerate(value))


def _tool(item: object, at: str) -> Tool:
    function = item.get("function") if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        refuse(f"{at}.function.name", f"'{at}' must be a function with a name.", "invalid_type")
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, dict):
        text = f"'{at}.function.parameters' must be a JSON schema."
        refuse(f"{at}.function.parameters", text, "invalid_type")
    return Tool(function["name"], str(function.get("description") or ""), parameters)
