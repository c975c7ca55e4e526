"""The frames of an answer: `stream_start`, `stream_chunk`s and `stream_end`, or all in one.

A chunk is an event of the native API; the last one, `done`, is the end itself. Chunks have the
number of their event in `seq`, the same for everybody who reads the stream, so that a client
knows which it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import attrs

from gateway.call import Agent
from gateway.events import Error, Event, Finish
from gateway.streams.kept import state_of
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.shown import Showing, Shown


Frame: TypeAlias = Mapping[str, Any]
Phase: TypeAlias = Literal["stream_start", "stream_chunk", "stream_end"]


@attrs.define
class Phases:
    """
    The frames of one streamed answer.

    `number` is that of the last event that the client has seen: it is told the rest. `begun`
    says that the answer's start was told here.
    """

    id: str
    manner: Manner
    agent: Agent | None
    number: int = 0
    begun: bool = attrs.field(init=False, default=False)
    _showing: Showing = attrs.field(init=False)
    _end: dict[str, str] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._showing = self.manner.showing()

    def seen(self, events: Iterable[Event]) -> None:
        """These were told before: what follows may depend on them."""
        for event in events:
            self._feed(event)

    def start(self) -> Frame:
        """The answer begins."""
        self.begun = True
        return self._frame("stream_start")

    def rest(self) -> Iterator[Frame]:
        """
        What is left where all events were seen: the end, once more.

        Of an ending that has two frames the client may have seen the first alone.
        """
        if self._end:
            yield {**self._frame("stream_end", self._end), "seq": self.number}

    def encode(self, batch: Sequence[Event]) -> Iterator[Frame]:
        """The frames of the next events; the ending's are the last."""
        for event in batch:
            self.number += 1
            yield from self.of(event, self.number)

    def of(self, event: Event, number: int | None) -> Iterator[Frame]:
        """The frames of one event; one that no stream has has no number."""
        shown = self._feed(event)
        at = {} if number is None else {"seq": number}
        if shown is not None and not isinstance(event, Finish):
            yield {**self._frame("stream_chunk"), **at, "chunk": shown}
        if self._end:
            yield {**self._frame("stream_end", self._end), **at}

    def _feed(self, event: Event) -> Shown | None:
        shown = self._showing.feed(event)
        if isinstance(event, Finish | Error):
            self._end = {"state": state_of(event)}
            if shown and "finish_reason" in shown:
                self._end["finish_reason"] = shown["finish_reason"]
        return shown

    def _frame(self, phase: Phase, more: Mapping[str, str] | None = None) -> dict[str, Any]:
        frame = _frame("message_stream", self.id, self.manner, self.agent)
        frame[phase] = True
        frame["metadata"] |= {"streaming": phase != "stream_end", **(more or {})}
        return frame


def whole(id: str, manner: Manner, agent: Agent | None, content: str) -> Frame:
    """The whole answer in one frame."""
    frame = _frame("message", id, manner, agent)
    frame["content"] = content
    frame["metadata"] |= {"streaming": False}
    return frame


def error(code: str, message: str, **more: str) -> Frame:
    """What is wrong with something that no stream belongs to."""
    told = {name: value for name, value in more.items() if value}
    return {"type": "error", "code": code, "message": message, **told}


def _frame(kind: str, id: str, manner: Manner, agent: Agent | None) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {
        "type": kind,
        "id": id,
        "sender": "ai",
        "timestamp": now.replace("+00:00", "Z"),
        "agentId": agent and agent.id,
        "agentName": agent and agent.name,
        "agentType": agent and agent.type,
        "session_id": manner.chat or None,
        "metadata": {"reply_to": manner.reply_to or None},
    }
