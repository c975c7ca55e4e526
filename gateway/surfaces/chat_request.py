"""The body of `POST /v1/chat/completions` becomes a `Call`, or a 400 that says why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from gateway.call import Call, Reply
from gateway.surfaces.openai_messages import kind, messages_of, refuse
from gateway.surfaces.openai_tools import offer_of


LONGEST_MODEL = 512

# Far deeper than anything that is meant, and not too deep for whoever writes it as JSON again.
DEEPEST = 200

# Read here or by a plugin; all other fields are said to be ignored when sent. What becomes of
# each of OpenAI's is in docs/parameters.md.
READ = frozenset(
    {
        "conversation",
        "enable_thinking",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "stream",
        "stream_options",
    }
)

# The only fields that are read of these.
READ_WITHIN = {"metadata": {"chat_id"}, "stream_options": {"include_usage"}}

# What OpenAI does unless asked otherwise, or what is so here anyway; to say so asks for nothing.
USUAL: Mapping[str, object] = {
    "frequency_penalty": 0,
    "logprobs": False,
    "presence_penalty": 0,
    "service_tier": "auto",
    "store": False,
    "stream_options.include_obfuscation": False,
    "top_logprobs": 0,
    "top_p": 1,
}

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
    shallow(body)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("model", "'model' must be text that names an agent.", "missing_model")
    if len(model) > LONGEST_MODEL:
        refuse("model", f"'model' is longer than {LONGEST_MODEL} characters.")
    _single(body)
    _flag(body, "enable_thinking")
    include_usage = _include_usage(body)
    offer = offer_of(body)
    call = Call(
        model=model,
        messages=messages_of(body.get("messages")),
        headers=headers,
        body=body,
        stream=_flag(body, "stream"),
        tools=offer.tools,
        choice=offer.choice,
        parallel=body.get("parallel_tool_calls") is None or _flag(body, "parallel_tool_calls"),
        reply=Reply(ignored=ignored(body), functions=offer.functions),
    )
    return ChatRequest(call, include_usage)


def ignored(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that were sent and that nothing reads."""
    fields = {name: value for name, value in body.items() if name not in READ}
    for outer, read in READ_WITHIN.items():
        within = (body.get(outer) or {}).items()
        fields |= {f"{outer}.{name}": value for name, value in within if name not in read}
    sent = [name for name, value in fields.items() if _asks(name, value)]
    return tuple(sorted(sent, key=lambda name: name != "tools"))  # the one that matters first


def _asks(name: str, value: object) -> bool:
    return value not in NOTHING and not (name in USUAL and USUAL[name] == value)


def shallow(body: Mapping[str, Any]) -> None:
    """
    Refuse what is nested too deep for whoever has to write it again.

    Raises:
        Reject: It is.
    """
    level: list[Any] = [body]
    for _ in range(DEEPEST):
        level = [each for one in level for each in _within(one) if isinstance(each, dict | list)]
        if not level:
            return
    refuse("body", f"The body is nested deeper than {DEEPEST} levels.")


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _single(body: Mapping[str, Any]) -> None:
    n, metadata = body.get("n"), body.get("metadata")
    if n is not None and (n != 1 or isinstance(n, bool)):
        refuse("n", "'n' must be 1: an agent gives one answer.", "unsupported_value")
    if body.get("modalities") not in (None, [], ["text"]):
        text = "'modalities' must be ['text']: an agent answers in text alone."
        refuse("modalities", text, "unsupported_value")
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
