"""Events become those of the native API; the WebSocket's chunks are the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, assert_never

import attrs

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
from gateway.streams.kept import CANCELLED
from gateway.surfaces.chat_chunks import usage_of
from gateway.surfaces.deltas import Paragraphs


Shown: TypeAlias = dict[str, Any]

THINKING = "Thinking..."


@attrs.define
class Called:
    """A tool that was called; its arguments come in pieces."""

    name: str
    arguments: str = ""


@attrs.define
class Showing:
    """
    Shows one answer, event by event: each event is shown as one of the API's, or not at all.

    Without `thinking` the agent's reasoning is left out. With `full` there is more to see: what
    goes into its tools and what comes out, tokens, codes of errors.
    """

    thinking: bool = True
    full: bool = False
    _text: Paragraphs = attrs.field(init=False, factory=Paragraphs)
    _reasoning: Paragraphs = attrs.field(init=False, factory=Paragraphs)
    _calls: dict[str, Called] = attrs.field(init=False, factory=dict)
    _status: str = attrs.field(init=False, default="")

    def feed(self, event: Event) -> Shown | None:
        """How an event is shown."""
        match event:
            case TextDelta(text, message):
                return {"type": "message", "content": self._text.join(text, message)}
            case ReasoningDelta():
                return self._thought(event)
            case ToolCallStart() | ToolArgsDelta() | ToolResult():
                return self._called(event)
            case Status(text, done):
                return self._said(text, done=done)
            case Usage():
                return {"type": "usage", **usage_of(event)} if self.full else None
            case Finish():
                return self._finished(event)
            case Error():
                return self._failed(event)
            case Ping():
                return None
        assert_never(event)

    def _thought(self, event: ReasoningDelta) -> Shown | None:
        if not self.thinking or event.hidden:  # the text of hidden reasoning is a cipher
            return None
        self._status = THINKING
        reasoning = self._reasoning.join(event.text, event.message)
        return {"type": "status", "content": THINKING, "reasoning": reasoning}

    def _called(self, event: ToolCallStart | ToolArgsDelta | ToolResult) -> Shown | None:
        match event:
            case ToolCallStart():
                return self._started(event)
            case ToolArgsDelta(call_id, json):
                return self._argued(call_id, json)
            case ToolResult():
                return self._returned(event)

    def _started(self, event: ToolCallStart) -> Shown:
        self._calls[event.call_id] = Called(event.name)
        self._status = f"Using {event.name}..."
        shown: Shown = {"type": "status", "content": self._status}
        if self.full:
            shown["tool_call"] = {"id": event.call_id, "name": event.name}
            shown["tool_call"] |= {"client_side": True} if event.client_side else {}
        return shown

    def _argued(self, call_id: str, json: str) -> Shown | None:
        called = self._calls.get(call_id)
        if called is None or not self.full:
            return None
        called.arguments += json
        return {"type": "tool_arguments", "id": call_id, "delta": json}

    def _returned(self, event: ToolResult) -> Shown | None:
        if not self.full:
            return None
        called = self._calls.get(event.call_id, Called(""))
        return {
            "type": "tool_result",
            "id": event.call_id,
            "name": called.name,
            "arguments": called.arguments,
            "output": event.output,
            "ok": event.ok,
        }

    def _said(self, text: str, *, done: bool) -> Shown | None:
        # A plugin may well say what has just been shown.
        text = text.removesuffix("…") + "..." if text.endswith("…") else text
        if text == self._status or not text:
            return None
        self._status = text
        return {"type": "status", "content": text, **({"done": done} if self.full else {})}

    def _finished(self, event: Finish) -> Shown:
        told = self.full or event.reason != "stop"
        return {"type": "done", **({"finish_reason": event.reason} if told else {})}

    def _failed(self, event: Error) -> Shown:
        more: Shown = {"code": event.code, "status": event.status} if self.full else {}
        if event.code in CANCELLED:
            return {"type": "interrupted", **more}
        return {"type": "error", "message": event.message, **more}


def text_of(events: Iterable[Event]) -> str:
    """The text of an answer, as far as it has come."""
    shown = map(Showing().feed, events)
    return "".join(each["content"] for each in shown if each and each["type"] == "message")
