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

# A delta that is one text, in each of these fields: nearly all are, and so they are no dicts.
Said: TypeAlias = tuple[tuple[str, ...], str]

CONTENT = ("content",)


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
        if message == self._message and not self._due and "\n" not in text:
            self._newlines = 0
            return text
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
    _thoughts: tuple[str, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thoughts = tuple(self.reply.reasoning)

    def feed(self, event: Event) -> Said | Delta | None:
        """The delta of an event, or None where a chat completion has no place for it."""
        delta = self._delta(event)
        if delta is not None and not self._begun:
            self._begun = True
            return {"role": "assistant", **as_dict(delta)}
        return delta

    def _delta(self, event: Event) -> Said | Delta | None:
        match event:
            case TextDelta():
                return CONTENT, self._text.join(event.text, event.message)
            case ReasoningDelta():
                # What comes as the text of hidden reasoning is the provider's cipher.
                if event.hidden or not self._thoughts:
                    return None
                return self._thoughts, self._reasoning.join(event.text, event.message)
            case ToolCallStart(call_id, name, client_side):
                return self._start(call_id, name) if client_side else None
            case ToolArgsDelta(call_id, json):
                return self._arguments(call_id, json)
            case Finish():
                return None if self._begun else {"content": ""}
            case ToolResult() | Status() | Usage() | Error() | Ping():
                return None
        assert_never(event)

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

    _texts: dict[str, list[str]] = attrs.field(init=False, factory=dict)
    _called: Delta = attrs.field(init=False, factory=dict)

    @property
    def message(self) -> Delta:
        """All of it."""
        texts = {name: "".join(said) for name, said in self._texts.items()}
        return {"role": "assistant", "content": None, **texts, **self._called}

    def add(self, delta: Said | Delta) -> None:
        """Add one delta."""
        if isinstance(delta, tuple):
            self._say(*delta)
            return
        for name, value in delta.items():
            if name == "tool_calls":
                self._call(value[0])
            elif name == "function_call":
                called = self._called.setdefault(name, {"arguments": ""})
                called |= {**value, "arguments": called["arguments"] + value["arguments"]}
            elif name != "role":
                self._say((name,), value)

    def _say(self, fields: tuple[str, ...], text: str) -> None:
        for name in fields:
            self._texts.setdefault(name, []).append(text)

    def _call(self, delta: Delta) -> None:
        calls: list[Delta] = self._called.setdefault("tool_calls", [])
        if delta["index"] < len(calls):
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
        else:
            calls.append({key: value for key, value in delta.items() if key != "index"})


def as_dict(delta: Said | Delta) -> Delta:
    """The delta as a client sees it."""
    return dict.fromkeys(*delta) if isinstance(delta, tuple) else delta
