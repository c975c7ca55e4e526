"""`/v1/responses/{id}`: what became of a response, the rest of its stream, its end, its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from gateway.errors import Reject
from gateway.streams import NoStream
from gateway.surfaces.openai_errors import response
from gateway.surfaces.openai_messages import refuse
from gateway.surfaces.responses.encoder import Encoder
from gateway.surfaces.responses.items import Item, type_of
from gateway.surfaces.responses.kept import Kept
from gateway.surfaces.responses.sending import taken_up
from gateway.surfaces.responses.state import kept_of
from gateway.web.request import STREAMS, asking_of


MOST_ITEMS = 100
PREFIXES = {"function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


async def get_response(request: web.Request) -> web.StreamResponse:
    """A response as it stands, or its stream."""
    kept, token = await _known(request)
    if request.query.get("stream", "").lower() in {"true", "1"}:
        return await _again(request, kept, token)
    try:
        return response(200, await kept.body(token))
    except NoStream:
        raise _missing(request) from None


async def cancel_response(request: web.Request) -> web.Response:
    """Stop it, in whatever process it runs; one that is over stays as it is."""
    kept, token = await _known(request)
    try:
        kept.shell((await kept.streams.look(token, kept.caller)).head)
        return response(200, await kept.seen(await kept.streams.interrupt(token, kept.caller)))
    except NoStream:
        record = await kept.read(token)
        if record is None or record.body is None:
            raise _missing(request) from None
        return response(200, record.body)


async def delete_response(request: web.Request) -> web.Response:
    """Stop it, and keep nothing of it."""
    kept, token = await _known(request)
    try:
        kept.shell((await kept.streams.look(token, kept.caller)).head)
        await kept.streams.forget(token, kept.caller)
        await kept.drop(token)
    except NoStream:
        if not await kept.drop(token):
            raise _missing(request) from None
    given = request.match_info["response"]
    return response(200, {"id": given, "object": "response", "deleted": True})


async def input_items(request: web.Request) -> web.Response:
    """What a response was asked, in pages; the newest first unless asked otherwise."""
    kept, token = await _known(request)
    record = await kept.read(token)
    if record is None:
        raise _missing(request)
    items = [_listed(item, token, i) for i, item in enumerate(record.input)]
    if request.query.get("order", "desc") == "desc":
        items.reverse()
    ids = [item["id"] for item in items]
    after = request.query.get("after")
    start = ids.index(after) + 1 if after in ids else 0
    limit = _number(request, "limit", 20, 1, MOST_ITEMS)
    page = items[start : start + limit]
    return response(200, _page(page, more=start + limit < len(items)))


async def _again(request: web.Request, kept: Kept, token: str) -> web.StreamResponse:
    """Its frames behind the one that the client has seen last, and those that come."""
    asking = asking_of(request)
    after = _number(request, "starting_after", -1, -1, 2**53)
    try:
        stream = await request.app[STREAMS].resume(token, kept.caller, asking.answers)
    except NoStream:
        if await kept.read(token) is None:
            raise _missing(request) from None
        text = "The stream of this response is not kept any more. Ask for it without 'stream'."
        raise Reject(404, "stream_not_found", text, param="stream") from None
    async with stream:
        asking.note(response=token, resumed=after)
        return await taken_up(request, stream, Encoder(kept.shell(stream.head), after=after))


async def _known(request: web.Request) -> tuple[Kept, str]:
    kept = await kept_of(request)
    token = kept.ids.token("resp", request.match_info["response"])
    if token is None:
        raise _missing(request)
    return kept, token


def _missing(request: web.Request) -> Reject:
    given = request.match_info["response"][:100]
    return Reject(404, "response_not_found", f"Response with id '{given}' not found.")


def _number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    sent = request.query.get(name)
    if sent is None:
        return default
    digits = sent.removeprefix("-")
    readable = digits.isascii() and digits.isdigit() and len(digits) < 17
    if not readable or not least <= int(sent) <= most:
        refuse(name, f"'{name}' must be a whole number from {least} to {most}.")
    return int(sent)


def _listed(item: Item, token: str, index: int) -> dict[str, Any]:
    """An item with all that a list of them has: clients may leave most of it out."""
    named = type_of(item)
    content = item.get("content")
    listed = {"id": f"{PREFIXES.get(named, 'msg')}_{token}i{index:04x}", **item, "type": named}
    if named == "message":
        listed["status"] = "completed"
    if isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        listed["content"] = [{"type": part, "text": content}]
    return listed


def _page(items: Sequence[Mapping[str, Any]], *, more: bool) -> dict[str, Any]:
    ends = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {
        "object": "list",
        "data": items,
        "first_id": ends[0],
        "last_id": ends[1],
        "has_more": more,
    }
