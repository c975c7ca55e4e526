"""`POST /v1/chat/completions`: parse, ask the pipeline, encode. Streamed or whole."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import cache

from aiohttp import web

from gateway.errors import GatewayError
from gateway.events import ENDINGS, Error, Event
from gateway.streams import Answer, Stream
from gateway.streams.kept import error_of
from gateway.surfaces import openai_errors
from gateway.surfaces.answer_headers import headers_of, noted
from gateway.surfaces.chat_chunks import Chunks, Completion
from gateway.surfaces.chat_request import ChatRequest, parse
from gateway.surfaces.coming import Coming
from gateway.surfaces.to_the_end import to_the_end
from gateway.web.request import STREAMS, Asking, asking_of, json_body
from gateway.web.sse import EventStream


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer one chat completion."""
    asking = asking_of(request)
    chat = parse(await json_body(request), asking.headers)
    asking.note(model=chat.call.model, stream=chat.call.stream)
    beginning = request.app[STREAMS].begin(asking.answers, chat.call, asking.context)
    if not chat.call.stream:  # nobody can be told anything before the end
        async with await beginning as answer:
            return await _whole(noted(answer, asking), chat, asking)
    async with Coming(beginning) as coming:
        if await coming.within(asking.answers.keepalive):
            return await _stream(request, noted(await coming.answer(), asking), chat)
        return await _late(request, coming, chat)


async def _whole(answer: Answer, chat: ChatRequest, asking: Asking) -> web.Response:
    answer_id, created = _identity(answer, asking)
    completion = Completion(answer_id, chat.call.model, answer.call.reply, created)
    async for batch in answer:
        completion.add(batch)
        asking.sent(batch)
    headers = headers_of(answer, asking)
    if completion.error is not None:
        return openai_errors.from_event(completion.error, headers)
    return openai_errors.response(200, completion.body(), headers)


async def _stream(request: web.Request, answer: Answer, chat: ChatRequest) -> web.StreamResponse:
    """
    The first batch decides the status: an error before anything else is an HTTP error.

    An empty batch says that nothing has come for the keepalive time: then the headers go
    out, and comments keep the connection alive.
    """
    asking = asking_of(request)
    batches = aiter(answer)
    first = await anext(batches)
    headers = headers_of(answer, asking)
    if len(first) == 1 and isinstance(first[0], Error):
        asking.sent(first)
        return openai_errors.from_event(first[0], headers)
    response = EventStream(headers)
    await response.prepare(request)
    chunks = _chunks(answer, chat, asking)
    return await _rest(request, response, first, batches, lambda: chunks)


async def _late(request: web.Request, coming: Coming, chat: ChatRequest) -> web.StreamResponse:
    """It has not begun within the keepalive time: comments until then, and any error after."""
    asking = asking_of(request)
    response = EventStream({})
    await response.prepare(request)
    chunks = cache(lambda: _chunks(coming.begun, chat, asking))
    return await _rest(request, response, (), _when_begun(coming, asking), chunks)


async def _when_begun(coming: Coming, asking: Asking) -> AsyncGenerator[Sequence[Event], None]:
    while not await coming.within(asking.answers.keepalive):
        yield ()
    try:
        answer = noted(await coming.answer(), asking)
    except GatewayError as exc:
        yield (error_of(exc),)
        return
    async for batch in answer:
        yield batch


async def _rest(
    request: web.Request,
    response: EventStream,
    first: Sequence[Event],
    batches: AsyncGenerator[Sequence[Event], None],
    chunks: Callable[[], Chunks],
) -> web.StreamResponse:
    """The first batch, all that is still to come, and the end."""
    asking = asking_of(request)

    async def put(batch: Sequence[Event]) -> None:
        await _send(batch, chunks, response, asking)

    await to_the_end(request, batches, put, lambda error: put((error,)), first=first)
    return response


async def _send(
    batch: Sequence[Event], chunks: Callable[[], Chunks], response: EventStream, asking: Asking
) -> None:
    data = chunks().encode(batch) if batch else b""
    if batch and isinstance(batch[-1], ENDINGS):
        await response.end(data)
    else:
        await response.put(data)
    asking.sent(batch)


def _chunks(answer: Answer | None, chat: ChatRequest, asking: Asking) -> Chunks:
    answer_id, created = _identity(answer, asking)
    call = chat.call if answer is None else answer.call
    return Chunks(answer_id, chat.call.model, call.reply, chat.include_usage, created)


def _identity(answer: Answer | None, asking: Asking) -> tuple[str, int]:
    """The answer's id, and when it was made: the same for all that get the same answer."""
    if isinstance(answer, Stream):
        return f"chatcmpl-{answer.head.request_id}", answer.head.created
    return f"chatcmpl-{asking.context.request_id}", int(time.time())
