"""Events become the frames of a streamed response and, from the same events, the whole object.

response.created, response.in_progress
for each item   output_item.added … deltas … output_item.done
response.completed | response.incomplete | response.failed
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, assert_never

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
from gateway.json_text import dumps
from gateway.streams.kept import LOST, state_of
from gateway.surfaces.responses.apart import Apart
from gateway.surfaces.responses.output import Announced, Called, Gave, Growing, Said, Thought, Used
from gateway.surfaces.responses.shell import Shell


# Nothing is rendered behind it, for those who want the whole object alone.
NO_FRAMES = 2**62

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

Grows = TypeVar("Grows", bound=Growing)


@attrs.define
class Frames:
    """Numbers the frames from 0, and renders those behind number `after`."""

    after: int = -1
    number: int = -1

    def render(self, kind: str, fields: Mapping[str, Any]) -> bytes:
        """One frame."""
        self.number += 1
        if self.number <= self.after:
            return b""
        data = dumps({"type": kind, "sequence_number": self.number, **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def catch_up(self) -> None:
        """Go on behind `after`: the log was cut off before what the client has seen."""
        self.number = max(self.number, self.after)

    def delta(self, head: bytes, text: str) -> bytes:
        """The frame of a delta, whose `head` is the same for all of its item."""
        self.number += 1
        if self.number <= self.after:
            return b""
        return b'%b"sequence_number":%d,"delta":%b}\n\n' % (head, self.number, dumps(text))


def head_of(item: Growing, kind: str) -> bytes:
    """What every delta of an item begins with."""
    place = dumps({"type": kind, **item.place()})
    return b"event: %b\ndata: %b," % (kind.encode(), place[:-1])


@attrs.define
class Open:
    """An item that grows, and the head of its deltas."""

    item: Said | Thought | Called | Used
    head: bytes
    message: str = ""


@attrs.define
class Encoder:
    """
    Encodes one answer.

    Frames depend on the events alone, not on how they come in batches: whoever reads the
    answer again gets the same. `reply` may be set until the first event is encoded.
    """

    shell: Shell
    reply: Reply = attrs.field(factory=Reply)
    after: int = -1
    status: str = attrs.field(init=False, default="in_progress")
    error: Error | None = attrs.field(init=False, default=None)
    _frames: Frames = attrs.field(init=False)
    _items: list[Growing] = attrs.field(init=False, factory=list)
    _open: Open | None = attrs.field(init=False, default=None)
    _clients: dict[str, Open] = attrs.field(init=False, factory=dict)
    _own: dict[str, Open] = attrs.field(init=False, factory=dict)
    _apart: Apart = attrs.field(init=False, factory=Apart)
    _usage: Usage | None = attrs.field(init=False, default=None)
    _incomplete: str | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._frames = Frames(self.after)

    @property
    def over(self) -> bool:
        """Whether the ending has been encoded."""
        return self.status != "in_progress"

    def begin(self) -> bytes:
        """The frames that come before all events."""
        body = {"response": self.body()}
        return b"".join(
            self._frames.render(kind, body) for kind in ("response.created", "response.in_progress")
        )

    def encode(self, batch: Iterable[Event]) -> bytes:
        """The frames of these events."""
        return b"".join([frame for event in batch for frame in self._event(event)])

    def body(self) -> dict[str, Any]:
        """The whole object, as far as the answer has come."""
        return self.shell.body(
            self.status,
            [item.shown() for item in self._items],
            error=self.error if self.status == "failed" else None,
            incomplete=self._incomplete,
            usage=self._usage,
        )

    def _event(self, event: Event) -> Iterable[bytes]:
        match event:
            case TextDelta(text, message):
                return self._grown(Said, text, message)
            case ReasoningDelta(text, message, hidden):
                shown = self.reply.reasoning and not hidden  # else its text is a cipher
                return self._grown(Thought, text, message) if shown else ()
            case ToolCallStart(call_id, name, client_side):
                return self._called(call_id, name, client_side=client_side)
            case ToolArgsDelta(call_id, json):
                return self._argued(call_id, json)
            case ToolResult(call_id):
                return self._used(call_id, event)
            case Usage():
                self._usage = event
                return ()
            case Finish() | Error():
                return self._end(event)
            case Status() | Ping():
                return ()
        assert_never(event)

    def _grown(self, kind: type[Said | Thought], text: str, message: str) -> Iterator[bytes]:
        opened = self._open
        if opened is None or type(opened.item) is not kind or opened.message != message:
            yield from self._part()
            opened = None
        text = self._apart.feed(text) if kind is Said else text
        if not text:
            return
        if opened is None:
            prefix = "msg" if kind is Said else "rs"
            item = self._add(kind(len(self._items), self._id(prefix)))
            opened = self._open = Open(item, head_of(item, item.delta_type), message)
            yield from self._render(item.opened())
        opened.item.add(text)
        yield self._frames.delta(opened.head, text)

    def _called(self, call_id: str, name: str, *, client_side: bool) -> Iterator[bytes]:
        yield from self._close_open("completed") if client_side else self._part()
        index = len(self._items)
        item: Called | Used
        if client_side or "tools" in self.reply.open_webui:
            item = Called(index, self._id("fc"), call_id=call_id, name=name)
        else:
            item = Used(index, self._id("mcp"), name=name)
        opened = Open(self._add(item), head_of(item, item.delta_type))
        (self._clients if client_side else self._own)[call_id] = opened
        yield from self._render(item.opened())

    def _argued(self, call_id: str, json: str) -> Iterator[bytes]:
        called = self._clients.get(call_id) or self._own.get(call_id)
        if called is not None and json:
            called.item.add(json)
            yield self._frames.delta(called.head, json)

    def _used(self, call_id: str, result: ToolResult | None) -> Iterator[bytes]:
        """A tool of the agent's own is done, or the answer is over."""
        used = self._own.pop(call_id, None)
        if used is None:
            return
        if isinstance(used.item, Used):
            used.item.result = result
        ok = result is not None and result.ok
        yield from self._render(used.item.close("completed" if ok else "failed"))
        if isinstance(used.item, Called):
            gave = Gave(len(self._items), self._id("fco"), call_id=call_id, result=result)
            yield from self._render(self._add(gave).opened())

    def _end(self, event: Finish | Error) -> Iterator[bytes]:
        self.status, kind = _ended(event)
        status = "completed" if self.status == "completed" else "incomplete"
        yield from self._close_open(status)
        for call_id in tuple(self._own):
            yield from self._used(call_id, None)
        for called in self._clients.values():
            yield from self._render(called.item.close(status))
        if isinstance(event, Error):
            self.error = event
            if event.code == LOST:
                self._frames.catch_up()
        elif self.status == "incomplete":
            self._incomplete = INCOMPLETE[event.reason]
        yield self._frames.render(kind, {"response": self.body()})

    def _part(self) -> Iterator[bytes]:
        """More is to come: what is open is closed, and parted from what may be said later."""
        opened = self._open
        if opened is not None and isinstance(opened.item, Said) and (tail := self._apart.end()):
            opened.item.add(tail)
            yield self._frames.delta(opened.head, tail)
        yield from self._close_open("completed")

    def _close_open(self, status: str) -> Iterator[bytes]:
        opened, self._open = self._open, None
        if opened is not None:
            yield from self._render(opened.item.close(status))

    def _add(self, item: Grows) -> Grows:
        self._items.append(item)
        return item

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self.shell.token}{len(self._items):04x}"

    def _render(self, announced: Iterable[Announced]) -> Iterator[bytes]:
        for kind, fields in announced:
            yield self._frames.render(kind, fields)


def _ended(event: Finish | Error) -> tuple[str, str]:
    """The response's status, and the last frame, which has no name of its own for one of them."""
    if isinstance(event, Finish):
        status = "incomplete" if event.reason in INCOMPLETE else "completed"
        return status, f"response.{status}"
    if state_of(event) == "cancelled":
        return "cancelled", "response.incomplete"
    return "failed", "response.failed"
