"""`POST /v1/chat/completions`: parse, ask the pipeline, encode. Streamed or whole."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gateway.call import Call
from gateway.events import Error
from gateway.exchange import Exchange
from gateway.surfaces import openai_errors
from gateway.surfaces.chat_chunks import Chunks, Completion
from gateway.surfaces.chat_request import ChatRequest, parse
from gateway.web.request import Asking, asking_of, json_body
from gateway.web.sse import EventStream


IGNORED = "x-letta-gateway-ignored"


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer one chat completion."""
    asking = asking_of(request)
    chat = parse(await json_body(request), asking.headers)
    asking.note(model=chat.call.model, stream=chat.call.stream)
    exchange = await asking.pipeline.begin(chat.call, asking.context)
    asking.note(agent=exchange.call.agent.id if exchange.call.agent else None)
    async with exchange:
        headers = _headers(exchange.call, asking)
        if chat.call.stream:
            return await _stream(request, exchange, chat, headers)
        return await _whole(exchange, chat, headers, asking)


def _headers(call: Call, asking: Asking) -> dict[str, str]:
    """Say what was sent and not used: an operator and a client both want to know."""
    if not call.reply.ignored:
        return {}
    ignored = ", ".join(call.reply.ignored)
    if "tools" in call.reply.ignored:
        asking.logger.warning("the client's tools are not passed on to the agent")
    return {IGNORED: ignored.encode("ascii", "replace").decode()}


async def _whole(
    exchange: Exchange, chat: ChatRequest, headers: Mapping[str, str], asking: Asking
) -> web.Response:
    answer = Completion(_id(asking), chat.call.model, exchange.call.reply)
    async for batch in exchange:
        answer.add(batch)
    if answer.error is not None:
        asking.note(error=answer.error.code)
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
    chunks = Chunks(_id(asking), chat.call.model, exchange.call.reply, chat.include_usage)
    response: EventStream | None = None
    async for batch in exchange:
        if batch and isinstance(batch[-1], Error):
            asking.note(error=batch[-1].code)
        if response is None:
            if len(batch) == 1 and isinstance(batch[0], Error):
                return openai_errors.from_event(batch[0], headers)
            response = EventStream(headers)
            await response.prepare(request)
        await response.put(chunks.encode(batch))
        asking.sent(batch)
    assert response is not None  # an exchange gives at least its ending
    await response.write_eof()
    return response


def _id(asking: Asking) -> str:
    return f"chatcmpl-{asking.context.request_id}"
