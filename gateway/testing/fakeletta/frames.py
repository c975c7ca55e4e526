"""Letta's messages as it writes them: which keys, in which order, absent or null.

Every function gives one message, or the messages of one stored one. In a stream of tokens
the parts of a step share the step's message id and count their `otid` up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from gateway.testing.fakeletta.history import Returned, Stored, ToolCall
from gateway.testing.fakeletta.identity import date, new_id, one_before, otid


@attrs.frozen
class Origin:
    """Where a message comes from: its id, its step, its run."""

    id: str
    step_id: str | None
    run_id: str | None
    date: str = attrs.field(factory=date)


def encode(frame: Mapping[str, Any], event: str = "") -> bytes:
    """A message as a server-sent event."""
    data = json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
    return f"{'event: ' + event + chr(10) if event else ''}data: {data}\n\n".encode()


DONE = b"data: [DONE]\n\n"
CANCELLED = b'data: {"message_type": "stop_reason", "stop_reason": "cancelled"}\n\n'


def ping(run_id: str) -> dict[str, Any]:
    """A sign of life; the first one tells the run's id."""
    return _message("ping", Origin(new_id("ping"), None, run_id), None)


def reasoning(origin: Origin, index: int, text: str, source: str) -> dict[str, Any]:
    """The model's reasoning."""
    head = _message("reasoning_message", origin, index)
    return {**head, "source": source, "reasoning": text, "signature": None}


def hidden_reasoning(origin: Origin, index: int) -> dict[str, Any]:
    """Reasoning that the provider keeps to itself."""
    head = _message("hidden_reasoning_message", origin, index)
    return {**head, "state": "omitted", "hidden_reasoning": None}


def assistant(origin: Origin, index: int, text: str) -> dict[str, Any]:
    """What the agent says."""
    return {**_message("assistant_message", origin, index), "content": text}


def tool_part(origin: Origin, index: int, call_id: str, **part: str) -> dict[str, Any]:
    """A piece of a call that Letta runs: its `name`, or a fragment of its `arguments`."""
    delta = {**part, "tool_call_id": call_id}
    head = _message("tool_call_message", origin, index)
    return {**head, "tool_call": delta, "tool_calls": delta}


def approval_part(
    origin: Origin, call_id: str, name: str | None = None, arguments: str | None = None
) -> dict[str, Any]:
    """A piece of a call that a client must answer. Its message is the step's, less one."""
    delta = {"name": name, "arguments": arguments, "tool_call_id": call_id}
    return _approval(attrs.evolve(origin, id=one_before(origin.id)), delta, delta)


def stop(reason: str) -> dict[str, Any]:
    """Why the answer ends."""
    return {"message_type": "stop_reason", "stop_reason": reason}


def error(
    run_id: str, type: str, message: str, detail: str, seq: int | None = None
) -> dict[str, Any]:
    """What went wrong; it goes out as `event: error`."""
    return {
        "message_type": "error_message",
        "run_id": run_id,
        "error_type": type,
        "message": message,
        "detail": detail,
        "seq_id": seq,
    }


def shown(message: Stored) -> list[dict[str, Any]]:
    """A stored message as lists of messages show it, and streams of steps."""
    if not message.shown:
        return []
    origin = Origin(message.id, message.step_id, message.run_id, message.date)
    match message.kind:
        case "assistant" | "request":
            return list(_said(message, origin))
        case "tool":
            return [_returned(message.returns, origin)]
        case "response":
            return [_response(message.approvals, origin)]
        case _:
            head = _message(f"{message.kind}_message", origin, None)
            return [{**head, "otid": message.otid, "content": message.content}]


def _said(message: Stored, origin: Origin) -> Iterator[dict[str, Any]]:
    index = 0
    if message.hidden:
        yield hidden_reasoning(origin, index)
        index += 1
    elif message.reason:
        yield reasoning(origin, index, message.reason, message.source)
        index += 1
    if message.text is not None:
        yield assistant(origin, index, message.text)
        index += 1
    if message.calls:
        calls = [call.json for call in message.calls]
        if message.kind == "request":
            yield _approval(origin, calls[0], calls)
        else:
            yield from _called(origin, index, message.calls)


def _called(origin: Origin, index: int, calls: Sequence[ToolCall]) -> Iterator[dict[str, Any]]:
    head = _message("tool_call_message", origin, index)
    yield {**head, "tool_call": calls[0].json, "tool_calls": [call.json for call in calls]}


def _approval(origin: Origin, first: Any, calls: Any) -> dict[str, Any]:
    head = _message("approval_request_message", origin, None)
    return {**head, "otid": origin.id, "tool_call": first, "tool_calls": calls}


def _returned(returns: Sequence[Returned], origin: Origin) -> dict[str, Any]:
    name = next((each.name for each in returns if each.name), None)
    # With several results the name and the rest may belong to different calls: Letta's way.
    first = {key: value for key, value in returns[0].json.items() if key != "type"}
    return {
        **_message("tool_return_message", origin, 0, name),
        **first,
        "tool_returns": [each.json for each in returns],
    }


def _response(approvals: Sequence[Mapping[str, Any]], origin: Origin) -> dict[str, Any]:
    own = next((each for each in approvals if each["type"] == "approval"), {})
    return {
        **_message("approval_response_message", origin, None),
        "approvals": list(approvals),
        "approve": own.get("approve"),
        "approval_request_id": own.get("tool_call_id"),
        "reason": own.get("reason"),
    }


def _message(
    type: str, origin: Origin, index: int | None, name: str | None = None
) -> dict[str, Any]:
    return {
        "id": origin.id,
        "date": origin.date,
        "name": name,
        "message_type": type,
        "otid": None if index is None else otid(origin.id, index),
        "sender_id": None,
        "step_id": origin.step_id,
        "is_err": None,
        "seq_id": None,
        "run_id": origin.run_id,
    }
