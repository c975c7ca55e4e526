"""`POST /chat` and `POST /chat/stream`: one message, and the agent's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress

import attrs
from aiohttp import web

from gateway.errors import Reject
from gateway.events import Error, Event
from gateway.services import Caller, Context
from gateway.streams import Answer, Stream, Streams
from gateway.streams.identity import key_of
from gateway.streams.kept import Keep
from gateway.surfaces import openai_errors
from gateway.surfaces.answer_headers import noted
from gateway.surfaces.native.agents import OWN_AGENTS
from gateway.surfaces.native.chats import Chats
from gateway.surfaces.native.request import NativeRequest, parse
from gateway.surfaces.native.sending import Frames, headers, send
from gateway.surfaces.native.shown import text_of
from gateway.surfaces.native.streams import SURFACE, resumed
from gateway.web.request import STREAMS, Asking, asking_of, json_body


CHATS = web.AppKey("chats", Chats)


async def chat(request: web.Request) -> web.Response:
    """The whole answer."""
    wanted, asking = await _read(request, stream=False)
    keep = Keep(facts=wanted.manner.facts)
    with _refusals(request, wanted):
        answer = await request.app[STREAMS].begin(
            asking.answers, wanted.call, _context(asking), keep
        )
    async with answer:
        batches = _noting(request, wanted, answer)
        events = [event async for batch in batches for event in batch]
    asking.sent(events)
    told = headers(answer, asking)
    ending = events[-1]
    if isinstance(ending, Error):
        return openai_errors.from_event(ending, told)
    agent = answer.call.agent
    body = {"response": text_of(events), "agent_id": agent and agent.id}
    body["chat_id"] = wanted.manner.chat or None
    return openai_errors.response(200, body, told)


async def chat_stream(request: web.Request) -> web.StreamResponse:
    """
    The answer as it comes. With `Last-Event-ID` the stream of that id goes on instead.

    An error before anything else is an HTTP error, if it comes within the keepalive time.
    """
    if request.headers.get("Last-Event-ID"):
        return await resumed(request)
    wanted, asking = await _read(request, stream=True)
    keep = Keep(facts=wanted.manner.facts)
    stream = await request.app[STREAMS].start(asking.answers, wanted.call, _context(asking), keep)
    asking.note(stream_id=stream.id)
    async with stream:
        frames = Frames.of(stream, wanted.manner)
        batches = _noting(request, wanted, stream)
        with _refusals(request, wanted), _leaving(request, wanted, stream):
            ready = await stream.prepared(asking.answers.keepalive)
            first = await anext(batches) if ready else ()
        if len(first) == 1 and isinstance(first[0], Error):
            asking.sent(first)
            return openai_errors.from_event(first[0], headers(stream, asking))
        return await send(request, stream, frames, batches, first)


async def _read(request: web.Request, *, stream: bool) -> tuple[NativeRequest, Asking]:
    asking = asking_of(request)
    wanted = parse(await json_body(request), asking.headers, stream=stream)
    asking.note(model=wanted.call.model, stream=stream)
    return wanted, asking


def _context(asking: Asking) -> Context:
    return attrs.evolve(asking.context, surface=SURFACE)


async def _noting(
    request: web.Request, wanted: NativeRequest, answer: Answer
) -> AsyncGenerator[Sequence[Event], None]:
    """The answer's batches; where it takes place is noted when it has begun."""
    begun = False
    async for batch in answer:
        if batch and not begun:
            begun = True
            await _note(request, wanted, answer)
        if batch and isinstance(ending := batch[-1], Error):
            request.app[OWN_AGENTS].heard(wanted.call.model, ending.code)
        yield batch


async def _note(request: web.Request, wanted: NativeRequest, answer: Answer) -> None:
    """For the log, and for the chat."""
    asking = asking_of(request)
    noted(answer, asking)
    chats, caller = request.app[CHATS], asking.context.caller
    await chats.note(caller, wanted.manner.chat, wanted.title, answer.call)


@contextmanager
def _leaving(request: web.Request, wanted: NativeRequest, stream: Stream) -> Iterator[None]:
    """Who leaves before the stream's id was told cannot come back for it: so it is stopped."""
    try:
        yield
    except asyncio.CancelledError:
        if not key_of(wanted.call):
            caller = asking_of(request).context.caller
            request.app[CHATS].spawn(_stopped(request.app[STREAMS], stream.id, caller))
        raise


async def _stopped(streams: Streams, stream_id: str, caller: Caller) -> None:
    with suppress(Reject):  # then it ends by itself when nobody has read it for a while
        await streams.interrupt(stream_id, caller)


@contextmanager
def _refusals(request: web.Request, wanted: NativeRequest) -> Iterator[None]:
    """
    An agent that is refused because it is no more is not given out again.

    The field at fault has the name here that the client knows it by.
    """
    try:
        yield
    except Reject as exc:
        request.app[OWN_AGENTS].heard(wanted.call.model, exc.code)
        if exc.param == "model":
            exc.param = "agent"
        raise
