"""An answer goes out: whole, or as a stream from its start or from where a client left it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import attrs
from aiohttp import web

from gateway.errors import GatewayError, Reject
from gateway.events import Error, Event
from gateway.streams import Answer, Stream
from gateway.streams.kept import state_of
from gateway.surfaces import openai_errors
from gateway.surfaces.answer_headers import headers_of, noted
from gateway.surfaces.responses.encoder import Encoder
from gateway.surfaces.responses.request import in_our_words, our_field
from gateway.surfaces.to_the_end import to_the_end
from gateway.web.request import Asking, asking_of
from gateway.web.sse import EventStream


class Source(Protocol):
    """An answer that is about to come."""

    async def within(self, seconds: float) -> bool:
        """Wait for so long at most; whether it has begun, or cannot."""

    async def answer(self) -> Answer:
        """Wait until it has begun."""


@attrs.define
class Begun:
    """A kept stream as the source of an answer."""

    stream: Stream

    async def within(self, seconds: float) -> bool:
        """Wait for so long at most; whether it has begun, or cannot."""
        try:
            return await self.stream.prepared(seconds)
        except Reject:
            return True

    async def answer(self) -> Answer:
        """
        Wait until it has begun.

        Raises:
            Reject: It cannot.
        """
        await self.stream.prepared()
        return self.stream


async def whole(request: web.Request, source: Source, encoder: Encoder) -> web.Response:
    """The whole answer. One that was stopped is no error: its response says so."""
    asking = asking_of(request)
    answer = await _begun(source, encoder, asking)
    encoder.begin()
    async for batch in answer:
        encoder.encode(batch)
        asking.sent(batch)
    headers = headers_of(answer, asking, our_field)
    if encoder.error is not None and encoder.status == "failed":
        return openai_errors.from_event(encoder.error, headers)
    return openai_errors.response(200, encoder.body(), headers)


async def streamed(request: web.Request, source: Source, encoder: Encoder) -> web.StreamResponse:
    """
    A new answer, as it comes: an error before anything else is an HTTP error.

    If nothing comes for the keepalive time, the headers go out, and any error after them.
    """
    asking = asking_of(request)
    if not await source.within(asking.answers.keepalive):
        return await send(request, encoder, _when_begun(source, encoder, asking))
    answer = await _begun(source, encoder, asking)
    batches = aiter(answer)
    first = await anext(batches)
    headers = headers_of(answer, asking, our_field)
    failure = first[0] if len(first) == 1 else None
    if isinstance(failure, Error) and state_of(failure) == "failed":
        asking.sent(first)
        return openai_errors.from_event(failure, headers)
    return await send(request, encoder, batches, first, headers)


async def taken_up(request: web.Request, stream: Stream, encoder: Encoder) -> web.StreamResponse:
    """The same again, for a client that has left it; errors come in the stream."""
    batches = _when_begun(Begun(stream), encoder, asking_of(request))
    return await send(request, encoder, batches)


async def send(
    request: web.Request,
    encoder: Encoder,
    batches: AsyncGenerator[Sequence[Event], None],
    first: Sequence[Event] = (),
    headers: dict[str, str] | None = None,
) -> web.StreamResponse:
    """Send what there is and what comes; a silence is a comment."""
    asking = asking_of(request)
    response = EventStream(headers or {})
    await response.prepare(request)
    begun = encoder.begin() + encoder.encode(first)
    if begun:
        await response.put(begun)
    asking.sent(first)
    await _rest(request, response, encoder, batches)
    await response.write_eof()
    return response


async def _rest(
    request: web.Request,
    response: EventStream,
    encoder: Encoder,
    batches: AsyncGenerator[Sequence[Event], None],
) -> None:
    asking = asking_of(request)

    async def put(batch: Sequence[Event]) -> None:
        await _put(batch, encoder, response, asking)

    await to_the_end(request, batches, put, lambda error: put((error,)), told=_error)


async def _put(
    batch: Sequence[Event], encoder: Encoder, response: EventStream, asking: Asking
) -> None:
    # That an event makes no frame is no reason for a comment.
    frames = encoder.encode(batch)
    if frames or not batch:
        await response.put(frames)
    asking.sent(batch)


async def _begun(source: Source, encoder: Encoder, asking: Asking) -> Answer:
    answer = noted(await source.answer(), asking, our_field)
    encoder.reply = answer.call.reply
    return answer


async def _when_begun(
    source: Source, encoder: Encoder, asking: Asking
) -> AsyncGenerator[Sequence[Event], None]:
    while not await source.within(asking.answers.keepalive):
        yield ()
    try:
        answer = await _begun(source, encoder, asking)
    except GatewayError as exc:
        yield (_error(exc),)
        return
    async for batch in answer:
        yield batch


def _error(exc: GatewayError) -> Error:
    text = in_our_words(exc.public) if isinstance(exc, Reject) else exc.public
    return Error(exc.status, exc.type, exc.code, text)
