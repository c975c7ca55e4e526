"""Letta's messages become events: one decoder per stream, no I/O.

Dispatch is on the text of `message_type`: what is not known is counted, never fatal. The
decoder guarantees `gateway.grammar`; a stream that stops without its ending is an `Error`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.letta import failures
from gateway.letta.pieces import Piece, ReasoningPiece, TextPiece, joined


Frame: TypeAlias = Mapping[str, Any]


def field_of(frame: Piece | Frame, name: str) -> object:
    """What is in this field of a frame; None if it is not there."""
    return frame.get(name) if isinstance(frame, Mapping) else getattr(frame, name, None)


FINISHES: Mapping[str, Finish] = {
    "end_turn": Finish("stop"),
    "tool_rule": Finish("stop"),
    "max_tokens_exceeded": Finish("length"),
    "max_steps": Finish("length"),
}

# What the agent was told, not what it says: streamed on compaction and by other clients.
NOT_FOR_CLIENTS = frozenset(
    {
        "user_message",
        "system_message",
        "event_message",
        "summary_message",
        "approval_response_message",
    }
)


@attrs.define
class Decoder:
    """
    Reads the frames of one stream.

    `client_tools` are the names of the tools that the client offered: a pending call of any
    other tool waits for somebody else's approval. Without `parallel` only the first call of
    a step counts: the tokens show the others, and Letta drops them. `whole` says that nobody
    sees the pieces of a text one by one: those that come together are one event. `unknown`
    counts the message types that were passed over.
    """

    client_tools: frozenset[str] = frozenset()
    parallel: bool = True
    whole: bool = False
    unknown: dict[str, int] = attrs.field(factory=dict)
    _calls: dict[str, bool] = attrs.field(factory=dict)
    _first: dict[str, str] = attrs.field(factory=dict)
    _results: dict[str, bool] = attrs.field(factory=dict)
    _pending: list[str] = attrs.field(factory=list)
    _stop: str | None = None
    _error: Error | None = None
    _usage: Usage | None = None

    def read(self, frames: Iterable[Any]) -> list[Event]:
        """Read some frames, each a `Piece` or parsed whole."""
        events: list[Event] = []
        for frame in joined(frames) if self.whole else frames:
            kind = type(frame)
            if kind is TextPiece:
                if frame.content:
                    events.append(TextDelta(frame.content, frame.id))
            elif kind is ReasoningPiece:
                if frame.reasoning:
                    events.append(ReasoningDelta(frame.reasoning, frame.id))
            else:
                events += self.feed(frame)
        return events

    def feed(self, frame: Frame) -> Iterable[Event]:
        """Read one frame: a parsed `data:` line."""
        kind = str(frame.get("message_type"))
        read = READERS.get(kind)
        if read is not None:
            return read(self, frame)
        if kind not in NOT_FOR_CLIENTS:
            self.unknown[kind] = self.unknown.get(kind, 0) + 1
        return ()

    def fail(self, error: Error) -> None:
        """The stream broke: what the ending is, unless Letta had said so itself."""
        if self._error is None and self._stop is None:
            self._error = attrs.evolve(error, rolled_back=error.rolled_back and self.rolled_back)

    def end(self) -> Iterable[Event]:
        """The stream is over: its usage and its ending."""
        ending = self._ending()
        if self._usage is not None and isinstance(ending, Finish):
            yield self._usage
        yield ending

    @property
    def rolled_back(self) -> bool:
        """Whether Letta rolls a failed turn back: not when a tool step was finished."""
        return not self._results

    def _ending(self) -> Finish | Error:
        if self._error is not None:
            return self._error
        if self._stop is None:
            return failures.incomplete()
        if self._stop == "requires_approval":
            if any(self._calls.values()):
                return Finish("tool_calls")
            return failures.waiting_for_approval(self._pending)
        if self._stop in failures.STOP_REASONS:
            return failures.from_stop_reason(self._stop, rolled_back=self.rolled_back)
        return FINISHES.get(self._stop, Finish("stop"))

    def _assistant(self, frame: Frame) -> Iterable[Event]:
        text = as_text(frame.get("content"))
        return (TextDelta(text, word(frame.get("id"))),) if text else ()

    def _reasoning(self, frame: Frame) -> Iterable[Event]:
        text = as_text(frame.get("reasoning"))
        return (ReasoningDelta(text, word(frame.get("id"))),) if text else ()

    def _hidden_reasoning(self, frame: Frame) -> Iterable[Event]:
        text = as_text(frame.get("hidden_reasoning"))
        return (ReasoningDelta(text, word(frame.get("id")), hidden=True),)

    def _tool_call(self, frame: Frame) -> Iterator[Event]:
        for call in calls_of(frame):
            # Older types begin with an approval request and go on with these.
            client_side = self._calls.get(word(call.get("tool_call_id")), False)
            yield from self._call(frame, call, client_side=client_side)

    def _approval_request(self, frame: Frame) -> Iterator[Event]:
        for call in calls_of(frame):
            name = word(call.get("name"))
            if name and name not in self.client_tools:
                self._pending.append(name)
            yield from self._call(frame, call, client_side=name in self.client_tools)

    def _call(self, frame: Frame, call: Frame, *, client_side: bool) -> Iterator[Event]:
        call_id = word(call.get("tool_call_id"))
        if not call_id or self._dropped(word(frame.get("step_id")), call_id):
            return  # without an id Letta drops it without a word, or waits for its approval
        if call_id not in self._calls:
            self._calls[call_id] = client_side
            yield ToolCallStart(call_id, word(call.get("name")), client_side)
        if arguments := word(call.get("arguments")):
            yield ToolArgsDelta(call_id, arguments)

    def _dropped(self, step: str, call_id: str) -> bool:
        return not self.parallel and self._first.setdefault(step, call_id) != call_id

    def _tool_return(self, frame: Frame) -> Iterator[Event]:
        # With several returns the fields beside `tool_returns` can belong to different calls.
        for returned in mappings(frame.get("tool_returns")) or (frame,):
            call_id = word(returned.get("tool_call_id"))
            if call_id in self._calls and call_id not in self._results:
                ok = self._results[call_id] = returned.get("status") != "error"
                yield ToolResult(call_id, as_text(returned.get("tool_return")), ok=ok)

    def _ping(self, frame: Frame) -> Iterable[Event]:
        return (Ping(),)

    def _stop_reason(self, frame: Frame) -> Iterable[Event]:
        # A failing stream may name two; the first says what happened.
        if self._stop is None:
            self._stop = str(frame.get("stop_reason"))
        return ()

    def _usage_statistics(self, frame: Frame) -> Iterable[Event]:
        self._usage = Usage(
            prompt=number(frame.get("prompt_tokens")) or 0,
            completion=number(frame.get("completion_tokens")) or 0,
            cached=number(frame.get("cached_input_tokens")),
            reasoning=number(frame.get("reasoning_tokens")),
            steps=number(frame.get("step_count")) or 1,
        )
        return ()

    def _error_message(self, frame: Frame) -> Iterable[Event]:
        if self._error is None:
            self._error = failures.from_frame(frame, rolled_back=self.rolled_back)
        return ()


def as_text(content: object) -> str:
    """The text of a content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(word(part.get("text")) for part in mappings(content))
    return ""


def calls_of(frame: Frame) -> Iterable[Frame]:
    """The calls of a frame: a list when whole, one delta (or none) in a token stream."""
    calls = frame.get("tool_calls") or frame.get("tool_call")
    return (calls,) if isinstance(calls, Mapping) else mappings(calls)


def word(value: object) -> str:
    """A field that should be text."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """A field that should be a number, or null."""
    return value if isinstance(value, int) else None


def mappings(value: object) -> Sequence[Frame]:
    """A field that should be a list of objects."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else ()


READERS: Mapping[str, Callable[[Decoder, Frame], Iterable[Event]]] = {
    "assistant_message": Decoder._assistant,
    "reasoning_message": Decoder._reasoning,
    "hidden_reasoning_message": Decoder._hidden_reasoning,
    "tool_call_message": Decoder._tool_call,
    "approval_request_message": Decoder._approval_request,
    "tool_return_message": Decoder._tool_return,
    "ping": Decoder._ping,
    "stop_reason": Decoder._stop_reason,
    "usage_statistics": Decoder._usage_statistics,
    "error_message": Decoder._error_message,
}
