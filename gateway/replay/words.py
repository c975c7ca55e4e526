"""Events, frames and chunks in a few words, so that every line break and escape can be seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

import orjson

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.letta.decode import as_text, calls_of, mappings, word
from gateway.replay.recording import Block


LONGEST = 160


def quoted(text: str) -> str:
    r"""As in JSON, but for the quotes: a line break is `\n`, a backslash with an n is `\\n`."""
    if len(text) > LONGEST:
        half = LONGEST // 2
        return f"{quoted(text[:half])} … {quoted(text[-half:])} ({len(text)} characters)"
    shown = json.dumps(text, ensure_ascii=not all(c.isprintable() or c < " " for c in text))
    return "'" + shown[1:-1].replace('\\"', '"') + "'"


def short(call_id: str) -> str:
    """The id of a call, or its end."""
    return call_id if len(call_id) <= 8 else f"…{call_id[-6:]}"


def of_event(event: Event) -> str:
    """An event."""
    match event:
        case TextDelta(text):
            return f"text {quoted(text)}"
        case ReasoningDelta(text, _, hidden):
            return "reasoning (hidden)" if hidden else f"reasoning {quoted(text)}"
        case ToolArgsDelta(call_id, fragment):
            return f"arguments {short(call_id)} {quoted(fragment)}"
        case ToolResult(call_id, output, ok):
            return f"result {short(call_id)} {'' if ok else '(failed) '}{quoted(output)}"
        case Status(text, done):
            return f"status{' (done)' if done else ''} {quoted(text)}"
    return _fact(event)


def _fact(event: ToolCallStart | Usage | Finish | Error | Ping) -> str:
    match event:
        case ToolCallStart(call_id, name, client_side):
            whose = " (the client's)" if client_side else ""
            return f"call {short(call_id)} {name}{whose}"
        case Usage(prompt, completion):
            return f"usage {prompt} + {completion}"
        case Finish(reason):
            return f"finish {reason}"
        case Error(status, _, code):
            return f"error {status} {code}"
        case Ping():
            return "ping"
    assert_never(event)


def of_events(events: Sequence[Event]) -> str:
    """Events, one a line."""
    return "\n".join(map(of_event, events))


def of_block(block: Block | None) -> str:
    """An event of Letta's stream; None is the end of the stream."""
    if block is None:
        return "(the stream ends)"
    if block.frame is None:
        return "[DONE]" if block.done else "(no frame)"
    kind = str(block.frame.get("message_type") or "?")
    return " ".join((kind.removesuffix("_message"), *_said(kind, block.frame)))


def _said(kind: str, frame: Mapping[str, Any]) -> Iterator[str]:
    match kind:
        case "stop_reason":
            yield word(frame.get("stop_reason"))
        case "usage_statistics":
            yield f"{frame.get('prompt_tokens')} + {frame.get('completion_tokens')}"
        case "error_message":
            yield word(frame.get("error_type"))
        case "tool_call_message" | "approval_request_message":
            for call in calls_of(frame):
                yield from (name for name in [word(call.get("name"))] if name)
                yield from (quoted(text) for text in [word(call.get("arguments"))] if text)
        case "tool_return_message":
            for each in mappings(frame.get("tool_returns")) or (frame,):
                yield quoted(as_text(each.get("tool_return")))
        case _:
            text = as_text(frame.get("content") or frame.get("reasoning"))
            yield from [quoted(text)] if text else []


def of_wire(data: bytes) -> str:
    """What a client was sent: of each chunk what is its own."""
    return "\n".join(line for chunk in data.split(b"\n\n") if chunk for line in _chunk(chunk))


def _chunk(chunk: bytes) -> Iterable[str]:
    text = chunk.removeprefix(b"data: ")
    if text == b"[DONE]":
        return ["[DONE]"]
    content = orjson.loads(text)
    if error := content.get("error"):
        return [f"error {error['code']}"]
    if "choices" not in content:
        return [text.decode()]
    return list(_choices(content))


def _choices(content: Mapping[str, Any]) -> Iterator[str]:
    for choice in content["choices"]:
        yield from _delta(choice["delta"])
        if choice["finish_reason"]:
            yield f"finish_reason {choice['finish_reason']}"
    if usage := content.get("usage"):
        yield f"usage {usage['prompt_tokens']} + {usage['completion_tokens']}"


def _delta(delta: Mapping[str, Any]) -> Iterator[str]:
    """Its fields; those that say the same in one line."""
    same: dict[str, list[str]] = {}
    for name, value in delta.items():
        if name == "tool_calls":
            yield from (f"{name}[{call['index']}] {_call(call)}" for call in value)
        elif name == "function_call":
            yield f"{name} {_call({'function': value})}"
        elif name != "role":
            same.setdefault(quoted(str(value)), []).append(name)
    yield from (f"{', '.join(names)} {shown}" for shown, names in same.items())


def _call(call: Mapping[str, Any]) -> str:
    named = (short(call.get("id", "")), call["function"].get("name", ""))
    arguments = call["function"].get("arguments", "")
    return " ".join(filter(None, (*named, arguments and quoted(arguments))))
