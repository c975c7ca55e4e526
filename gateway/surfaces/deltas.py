"""Events become the deltas of a chat completion.

The one place that knows how a message looks to an OpenAI client: a stream sends the deltas,
a whole answer adds them up, so that the two cannot differ.
"""

from __future__ import annotations

from typing import Any, TypeAlias, assert_never

import attrs

from gateway.call import Reply
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


Delta: TypeAlias = dict[str, Any]


@attrs.define
class Paragraphs:
    """
    Puts a blank line between two Letta messages, unless the text has one there.

    What is missing goes before the first character that is no newline: a message may begin
    with newlines, cut anywhere.
    """

    _message: str | None = None
    _newlines: int = 0
    _due: bool = False

    def join(self, text: str, message: str) -> str:
        """`text` as it follows what came before."""
        if message != self._message:
            self._due = self._message is not None
            self._message = message
        body = text.lstrip("\n")
        if not body:
            self._newlines += len(text)
            return text
        if self._due:
            self._due = False
            text = "\n" * (2 - self._newlines - len(text) + len(body)) + text
        self._newlines = len(body) - len(body.rstrip("\n"))
        return text


@attrs.define
class Deltas:
    """The deltas of one answer. Only the client's own tools appear as `tool_calls`."""

    reply: Reply
    _text: Paragraphs = attrs.field(init=False, factory=Paragraphs)
    _reasoning: Paragraphs = attrs.field(init=False, factory=Paragraphs)
    _calls: dict[str, int] = attrs.field(init=False, factory=dict)
    _begun: bool = attrs.field(init=False, default=False)

    def feed(self, event: Event) -> Delta | None:
        """The delta of an event, or None where a chat completion has no place for it."""
        delta = self._delta(event)
        if delta is not None and not self._begun:
            self._begun = True
            delta = {"role": "assistant", **delta}
        return delta

    def _delta(self, event: Event) -> Delta | None:
        match event:
            case TextDelta(text, message):
                return {"content": self._text.join(text, message)}
            case ReasoningDelta(hidden=True):  # its text is the provider's cipher
                return None
            case ReasoningDelta(text, message):
                return self._reason(text, message)
            case ToolCallStart(call_id, name, client_side):
                return self._start(call_id, name) if client_side else None
            case ToolArgsDelta(call_id, json):
                return self._arguments(call_id, json)
            case Finish():
                return None if self._begun else {"content": ""}
            case ToolResult() | Status() | Usage() | Error() | Ping():
                return None
        assert_never(event)

    def _reason(self, text: str, message: str) -> Delta | None:
        if not self.reply.reasoning:
            return None
        return dict.fromkeys(self.reply.reasoning, self._reasoning.join(text, message))

    def _start(self, call_id: str, name: str) -> Delta:
        index = self._calls[call_id] = len(self._calls)
        function = {"name": name, "arguments": ""}
        if self.reply.functions:
            return {"function_call": function}
        return {
            "tool_calls": [
                {"index": index, "id": call_id, "type": "function", "function": function}
            ]
        }

    def _arguments(self, call_id: str, json: str) -> Delta | None:
        index = self._calls.get(call_id)
        if index is None:
            return None
        if self.reply.functions:
            return {"function_call": {"arguments": json}}
        return {"tool_calls": [{"index": index, "function": {"arguments": json}}]}


def finish_of(finish: Finish, reply: Reply) -> str:
    """OpenAI's finish reason."""
    older = reply.functions and finish.reason == "tool_calls"
    return "function_call" if older else finish.reason


@attrs.define
class Whole:
    """Adds deltas up to the message of an answer that is not streamed."""

    message: Delta = attrs.field(factory=lambda: {"role": "assistant", "content": None})

    def add(self, delta: Delta) -> None:
        """Add one delta."""
        for name, value in delta.items():
            if name == "tool_calls":
                self._call(value[0])
            elif name == "function_call":
                called = self.message.setdefault(name, {"arguments": ""})
                called |= {**value, "arguments": called["arguments"] + value["arguments"]}
            elif name != "role":
                self.message[name] = (self.message.get(name) or "") + value

    def _call(self, delta: Delta) -> None:
        calls: list[Delta] = self.message.setdefault("tool_calls", [])
        if delta["index"] < len(calls):
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
        else:
            calls.append({key: value for key, value in delta.items() if key != "index"})
