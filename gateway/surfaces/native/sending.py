"""A stream goes out as server-sent events, from its start or from where a client left it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import attrs
from aiohttp import web

from gateway.events import Error, Event
from gateway.json_text import dumps
from gateway.streams import Answer, Stream
from gateway.surfaces.answer_headers import headers_of
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.shown import Showing, Shown
from gateway.surfaces.to_the_end import to_the_end
from gateway.web.request import Asking, asking_of
from gateway.web.sse import EventStream


STREAM_ID = "X-Stream-Id"


@attrs.define
class Frames:
    """
    The frames of one stream: an event of it is one frame at most, whose id is its number.

    What was seen `before` is not shown again, but what follows may depend on it.
    """

    stream_id: str
    manner: Manner
    showing: Showing
    number: int = 0

    @classmethod
    def of(cls, stream: Stream, manner: Manner) -> Frames:
        """The frames that a reader has not seen yet who has not begun to read."""
        showing = manner.showing()
        for event in stream.before:
            showing.feed(event)
        return cls(stream.id, manner, showing, stream.number)

    def head(self) -> bytes:
        """What goes ahead of a stream's first event."""
        if self.number or not self.manner.full:
            return b""
        session = self.manner.chat or None
        start = {"type": "session_start", "session_id": session, "message_id": self.stream_id}
        return frame(start)

    def encode(self, batch: Sequence[Event]) -> bytes:
        """The bytes of the next events."""
        out: list[bytes] = []
        for event in batch:
            self.number += 1
            shown = self.showing.feed(event)
            if shown is not None:
                out += (b"id: ", f"{self.stream_id}:{self.number}".encode(), b"\n", frame(shown))
        return b"".join(out)


def frame(shown: Shown) -> bytes:
    """One frame without an id."""
    return b"data: " + dumps(shown) + b"\n\n"


async def send(
    request: web.Request,
    stream: Stream,
    frames: Frames,
    batches: AsyncGenerator[Sequence[Event], None],
    first: Sequence[Event] = (),
) -> web.StreamResponse:
    """Send what there is and what comes; a silence is a comment."""
    asking = asking_of(request)
    response = EventStream(headers(stream, asking))
    await response.prepare(request)
    if head := frames.head():
        await response.put(head)
    if first:
        await _put(first, frames, response, asking)
    await _rest(request, response, frames, batches)
    await response.write_eof()
    return response


def headers(answer: Answer, asking: Asking) -> dict[str, str]:
    """What is told of an answer before it: its stream, if it is kept, and what was not used."""
    told = headers_of(answer, asking)
    if isinstance(answer, Stream):
        told[STREAM_ID] = answer.id
    return told


async def _rest(
    request: web.Request,
    response: EventStream,
    frames: Frames,
    batches: AsyncGenerator[Sequence[Event], None],
) -> None:
    asking = asking_of(request)

    async def put(batch: Sequence[Event]) -> None:
        await _put(batch, frames, response, asking)

    async def last(error: Error) -> None:
        await _last(error, frames, response, asking)

    await to_the_end(request, batches, put, last)


async def _put(
    batch: Sequence[Event], frames: Frames, response: EventStream, asking: Asking
) -> None:
    # Nothing to show of an event is no reason for a comment.
    shown = frames.encode(batch)
    if shown or not batch:
        await response.put(shown)
    asking.sent(batch)


async def _last(error: Error, frames: Frames, response: EventStream, asking: Asking) -> None:
    """An ending that is not the stream's own: it has no number."""
    shown = frames.showing.feed(error)
    await response.put(frame(shown) if shown else b"")
    asking.sent((error,))
