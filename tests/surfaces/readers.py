"""What a client of each surface has at the end: text, reasoning, calls and the ending."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from gateway.call import Reply
from gateway.events import Event
from gateway.streams.kept import CANCELLED
from gateway.surfaces.chat_chunks import Chunks, Completion
from gateway.surfaces.deltas import Paragraphs
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.sending import Frames
from gateway.surfaces.native.shown import text_of
from gateway.surfaces.responses.encoder import Encoder
from gateway.surfaces.responses.request import parse
from gateway.surfaces.responses.shell import Shell, repeated
from gateway.surfaces.websocket.phases import Phases


Batches: TypeAlias = Sequence[Sequence[Event]]
Calls: TypeAlias = tuple[tuple[str, str, str], ...]


@attrs.frozen
class Got:
    """
    What a client got. `calls` are those it is to run itself: id, name, arguments.

    `ending` is the finish reason, `cancelled`, or an error's message.
    """

    text: str
    reasoning: str
    calls: Calls
    ending: str


def chat_completion(batches: Batches) -> Got:
    """A streamed chat completion."""
    chunks = Chunks("c", "Milo", Reply())
    data = b"".join(chunks.encode(batch) for batch in batches)
    frames = [json.loads(each) for each in _data(data) if each != "[DONE]"]
    deltas = [choice for frame in frames for choice in frame.get("choices", ())]
    calls: dict[int, list[str]] = {}
    for choice in deltas:
        for call in choice["delta"].get("tool_calls", ()):
            function = call["function"]
            known = calls.setdefault(call["index"], [call.get("id"), function.get("name"), ""])
            known[2] += function["arguments"]
    said = [choice["delta"] for choice in deltas]
    error = next((frame["error"] for frame in frames if "error" in frame), None)
    finish = next((each["finish_reason"] for each in deltas if each["finish_reason"]), "")
    return Got(
        "".join(each.get("content") or "" for each in said),
        "".join(each.get("reasoning") or "" for each in said),
        tuple((each[0], each[1], each[2]) for each in calls.values()),
        finish if error is None else _failed(error["code"], error["message"]),
    )


def whole_chat_completion(batches: Batches) -> Got | None:
    """One that is not streamed; where it failed there is only an error."""
    completion = Completion("c", "Milo", Reply())
    for batch in batches:
        completion.add(batch)
    if completion.error is not None:
        return None
    (choice,) = completion.body()["choices"]
    message = choice["message"]
    calls = message.get("tool_calls", ())
    return Got(
        message["content"] or "",
        message.get("reasoning") or "",
        tuple((c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls),
        choice["finish_reason"],
    )


def native(batches: Batches) -> Got:
    """The native API, with all there is to see."""
    manner = Manner(full=True)
    frames = Frames("s", manner, manner.showing())
    data = b"".join(frames.encode(batch) for batch in batches)
    return _shown([json.loads(each) for each in _data(data)])


def websocket(batches: Batches) -> Got:
    """The WebSocket, with all there is to see."""
    told = Phases("s", Manner(full=True), None)
    frames = [frame for batch in batches for frame in told.encode(batch)]
    end: Mapping[str, Any] = frames[-1]["metadata"]
    chunks = [frame["chunk"] for frame in frames if "chunk" in frame]
    assert [frame for frame in frames if "stream_end" in frame] == [frames[-1]]
    if end["state"] == "finished":
        chunks.append({"type": "done", "finish_reason": end["finish_reason"]})
    return _shown(chunks)


def responses(batches: Batches) -> Got:
    """The Responses API, by its deltas."""
    encoder = Encoder(_shell())
    data = encoder.begin() + b"".join(encoder.encode(batch) for batch in batches)
    frames = [json.loads(each) for each in _data(data)]
    text, thought = [], Paragraphs()
    reasoning = ""
    for frame in frames:
        if frame["type"] == "response.output_text.delta":
            text.append(frame["delta"])
        elif frame["type"].startswith("response.reasoning") and frame["type"].endswith("delta"):
            reasoning += thought.join(frame["delta"], frame["item_id"])
    return attrs.evolve(_response(frames[-1]["response"]), text="".join(text), reasoning=reasoning)


def whole_response(batches: Batches) -> Got:
    """The whole object, which is there also of an answer that has failed."""
    encoder = Encoder(_shell(), after=2**62)
    encoder.begin()
    for batch in batches:
        encoder.encode(batch)
    return _response(encoder.body())


def whole_text(batches: Batches) -> str:
    """The text that `POST /chat` answers with."""
    return text_of(event for batch in batches for event in batch)


READERS: Mapping[str, Callable[[Batches], Got | None]] = {
    "chat completion, whole": whole_chat_completion,
    "native": native,
    "websocket": websocket,
    "responses": responses,
    "responses, whole": whole_response,
}


def _shown(chunks: Iterable[Mapping[str, Any]]) -> Got:
    calls: dict[str, list[str]] = {}
    text = reasoning = ending = ""
    for chunk in chunks:
        match chunk["type"]:
            case "message":
                text += chunk["content"]
            case "status":
                reasoning += chunk.get("reasoning", "")
                if call := chunk.get("tool_call"):
                    calls[call["id"]] = [call["name"], "", call.get("client_side", False)]
            case "tool_arguments":
                calls[chunk["id"]][1] += chunk["delta"]
            case "tool_result":
                assert chunk["arguments"] == calls[chunk["id"]][1]
            case "done":
                ending = chunk["finish_reason"]
            case "error":
                ending = _failed(chunk["code"], chunk["message"])
            case "interrupted":
                ending = "cancelled"
    mine = ((at, name, args) for at, (name, args, ours) in calls.items() if ours)
    return Got(text, reasoning, tuple(mine), ending)


def _response(body: Mapping[str, Any]) -> Got:
    items = body["output"]
    thought = Paragraphs()
    calls = tuple(
        (item["call_id"], item["name"], item["arguments"])
        for item in items
        if item["type"] == "function_call"
    )
    return Got(
        "".join(_text(item["content"]) for item in items if item["type"] == "message"),
        "".join(
            thought.join(_text(item["summary"]), item["id"])
            for item in items
            if item["type"] == "reasoning"
        ),
        calls,
        _response_ending(body, called=bool(calls)),
    )


def _response_ending(body: Mapping[str, Any], *, called: bool) -> str:
    match body["status"]:
        case "completed":
            return "tool_calls" if called else "stop"
        case "incomplete":
            reasons = {"max_output_tokens": "length"}
            reason = body["incomplete_details"]["reason"]
            return reasons.get(reason, reason)
        case "cancelled":
            return "cancelled"
    return str(body["error"]["message"])


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    return "".join(part["text"] for part in parts)


def _failed(code: str, message: str) -> str:
    return "cancelled" if code in CANCELLED else message


def _data(data: bytes) -> list[str]:
    lines = data.decode().split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def _shell() -> Shell:
    return Shell("resp_1", "1", 5, "Milo", repeated(parse({"model": "Milo", "input": "Hi"})))
