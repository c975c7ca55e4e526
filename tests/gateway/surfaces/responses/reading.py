"""A stream of the Responses API, read by raw eyes and held against its own grammar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter


Json = dict[str, Any]

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
LAST = {"response.completed", "response.incomplete", "response.failed"}

# By type of item: the events of its only part, the first for its beginning and the last two
# for its end, and the delta between them.
PARTS = {
    "message": ("content_part.added", "output_text.delta", "output_text.done"),
    "reasoning": (
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
    ),
    "function_call": ("", "function_call_arguments.delta", "function_call_arguments.done"),
    "mcp_call": ("mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done"),
    "function_call_output": ("", "", ""),
}


def frames_of(data: bytes) -> list[Json]:
    """The JSON of each frame; each has its type as the name of its event."""
    *blocks, rest = data.replace(b": ping\n", b"").split(b"\n\n")
    assert rest == b""
    frames = []
    for block in blocks:
        name, body = block.split(b"\n")
        frame = json.loads(body.removeprefix(b"data: "))
        assert name == b"event: " + frame["type"].encode()
        frames.append(frame)
    return frames


def check(frames: Sequence[Json], *, typed: bool = True) -> Json:
    """
    Hold a whole stream against the grammar; gives the response of its last frame.

    Those that are for Open WebUI alone are not as the SDK's types have it.
    """
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    assert [frame["type"] for frame in frames[:2]] == ["response.created", "response.in_progress"]
    if typed:
        _check_types(frames)
    last = frames[-1]
    assert last["type"] in LAST
    assert not any(frame["type"] in LAST for frame in frames[:-1])
    response: Json = last["response"]
    _check_items(frames[2:-1], response["output"])
    return response


def _check_types(frames: Sequence[Json]) -> None:
    """The SDK takes it, whole and frame by frame."""
    state: ResponseStreamState[None] = ResponseStreamState(input_tools=[], text_format=omit)
    for frame in frames:
        state.handle_event(EVENTS.validate_python(_typed(frame)))
    Response.model_validate(_typed(frames[-1])["response"])


def _typed(frame: Json) -> Json:
    """The same with a code that the SDK's types know: ours are those of all surfaces."""
    response = frame.get("response") or {}
    if response.get("error") is None:
        return frame
    error = {**response["error"], "code": "server_error"}
    return {**frame, "response": {**response, "error": error}}


def _check_items(frames: Sequence[Json], output: Sequence[Json]) -> None:
    """Every frame belongs to an item; the items come in order, and are what is in the end."""
    added = [frame for frame in frames if frame["type"] == "response.output_item.added"]
    assert [frame["output_index"] for frame in added] == list(range(len(output)))
    assert len({item["id"] for item in output}) == len(output)
    for item, first in zip(output, added, strict=True):
        own = [frame for frame in frames if frame["output_index"] == first["output_index"]]
        _check_item(item, own)


def _check_item(item: Json, frames: Sequence[Json]) -> None:
    first, *middle, last = frames
    assert first["type"] == "response.output_item.added"
    assert last["type"] == "response.output_item.done"
    assert last["item"] == item
    assert first["item"]["id"] == item["id"]
    assert all(frame["item_id"] == item["id"] for frame in middle)
    opening, delta, done = PARTS[item["type"]]
    kinds = [frame["type"].removeprefix("response.") for frame in middle]
    if opening:
        assert kinds.pop(0) == opening
    pieces = [frame["delta"] for frame in middle if frame["type"] == f"response.{delta}"]
    assert kinds[: len(pieces)] == [delta] * len(pieces)
    assert "".join(pieces) == text_of(item)
    assert all(pieces)
    closing = kinds[len(pieces) :]
    if done:
        assert closing[0] == done
        assert len(closing) == (1 if item["type"] == "function_call" else 2)
    else:
        assert not closing


def text_of(item: Json) -> str:
    """What the item's deltas add up to."""
    match item["type"]:
        case "message":
            return "".join(part["text"] for part in item["content"])
        case "reasoning":
            return "".join(part["text"] for part in item["summary"])
        case "function_call" | "mcp_call":
            arguments: str = item["arguments"]
            return arguments
    return ""


def said_in(response: Json) -> str:
    """All the text of a response."""
    return "".join(text_of(item) for item in response["output"] if item["type"] == "message")


def thought_in(response: Json) -> str:
    """All its reasoning."""
    return "".join(text_of(item) for item in response["output"] if item["type"] == "reasoning")
