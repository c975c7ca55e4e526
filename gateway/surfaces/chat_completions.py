"""`POST /v1/chat/completions`: parse, ask the pipeline, encode. Streamed or whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aiohttp import web

from gateway.call import Call
from gateway.events import Error, Event
from gateway.exchange import BROKEN, Exchange
from gateway.surfaces import openai_errors
from gateway.surfaces.chat_chunks import Chunks, Completion
from gateway.surfaces.chat_request import ChatRequest, parse
from gateway.web.request import Asking, asking_of, json_body
from gateway.web.sse import EventStream


IGNORED = "x-letta-gateway-ignored"
FIELD = re.compile(r"[\w.-]{1,64}", re.ASCII)
MOST_FIELDS = 20


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer one chat completion."""
    asking = asking_of(request)
    chat = parse(await json_body(request), asking.headers)
    asking.note(model=chat.call.model, stream=chat.call.stream)
    exchange = await asking.pipeline.begin(chat.call, asking.context)
    agent, place = exchange.call.agent, exchange.call.conversation
    asking.note(agent=agent and agent.id, conversation=place and place.id)
    async with exchange:
        headers = _headers(exchange.call, asking)
        if chat.call.stream:
            return await _stream(request, exchange, chat, headers)
        return await _whole(exchange, chat, headers, asking)


def _headers(call: Call, asking: Asking) -> dict[str, str]:
    """Say what was sent and not used: an operator and a client both want to know."""
    if not call.reply.ignored:
        return {}
    if "tools" in call.reply.ignored:
        asking.logger.warning("the client's tools are not passed on to the agent")
    # Any key of the body may be among them, and not every text can be put into a header.
    named = [name for name in call.reply.ignored if FIELD.fullmatch(name)]
    return {IGNORED: ", ".join(named[:MOST_FIELDS])} if named else {}


async def _whole(
    exchange: Exchange, chat: ChatRequest, headers: Mapping[str, str], asking: Asking
) -> web.Response:
    answer = Completion(_id(asking), chat.call.model, exchange.call.reply)
    async for batch in exchange:
        answer.add(batch)
        asking.sent(batch)
    if answer.error is not None:
        return openai_errors.from_event(answer.error, headers)
    return openai_errors.response(200, answer.body(), headers)


async def _stream(
    request: web.Request, exchange: Exchange, chat: ChatRequest, headers: Mapping[str, str]
) -> web.StreamResponse:
    """
    The first batch decides the status: an error before anything else is an HTTP error.

    An empty batch says that nothing has come for the keepalive time: then the headers go
    out, and comments keep the connection alive.
    """
    asking = asking_of(request)
    batches = aiter(exchange)
    first = await anext(batches)
    if len(first) == 1 and isinstance(first[0], Error):
        asking.sent(first)
        return openai_errors.from_event(first[0], headers)
    response = EventStream(headers)
    await response.prepare(request)
    chunks = Chunks(_id(asking), chat.call.model, exchange.call.reply, chat.include_usage)
    try:
        await _send(first, chunks, response, asking)
        async for batch in batches:
            await _send(batch, chunks, response, asking)
    except (ConnectionError, TimeoutError):
        raise
    except Exception as exc:  # noqa: BLE001  a cut connection would lose what has been said
        asking.logger.opt(exception=exc).error("the stream failed")
        await _send((BROKEN,), chunks, response, asking)
    await response.write_eof()
    return response


async def _send(
    batch: Sequence[Event], chunks: Chunks, response: EventStream, asking: Asking
) -> None:
    await response.put(chunks.encode(batch))
    asking.sent(batch)


def _id(asking: Asking) -> str:
    return f"chatcmpl-{asking.context.request_id}"
