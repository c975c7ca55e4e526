"""`/chat/streams/{id}`: what became of a stream, the rest of it, its end before its end."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from gateway.errors import Reject
from gateway.events import Error
from gateway.services import Caller
from gateway.streams import NoStream, Snapshot, Streams
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.sending import Frames, send
from gateway.surfaces.native.shown import text_of
from gateway.surfaces.openai_errors import response
from gateway.web.request import STREAMS, asking_of


SURFACE = "native"

# Whose streams are shown here: they are of one kind.
SURFACES = frozenset({SURFACE, "websocket"})

_EVENT_ID = re.compile(r"([0-9a-f]{32}):(\d{1,12})\Z", re.ASCII)
_EVENTS = "text/event-stream"


async def stream_state(request: web.Request) -> web.StreamResponse:
    """How a stream stands; as events, if that is what is asked for."""
    if request.headers.get("Last-Event-ID") or _EVENTS in request.headers.get("Accept", ""):
        return await resumed(request)
    asking = asking_of(request)
    stood = await request.app[STREAMS].look(request.match_info["stream"], asking.context.caller)
    return response(200, state_of(stood))


async def interrupt(request: web.Request) -> web.Response:
    """Stop a stream; what it has come to."""
    caller, stream_id = asking_of(request).context.caller, request.match_info["stream"]
    return response(200, state_of(await stop(request.app[STREAMS], stream_id, caller)))


async def stop(streams: Streams, stream_id: str, caller: Caller) -> Snapshot:
    """
    Stop a stream that is shown here; what it has come to.

    Raises:
        NoStream: There is none of this id, or it is of another surface.
        Reject: As `Streams.interrupt`.
    """
    check_surface((await streams.look(stream_id, caller)).head.surface)
    return await streams.interrupt(stream_id, caller)


async def resumed(request: web.Request) -> web.StreamResponse:
    """The rest of a stream, behind the event that the client has seen last."""
    asking = asking_of(request)
    stream_id, after = _place(request)
    resume = request.app[STREAMS].resume(
        stream_id, asking.context.caller, asking.answers, after=after
    )
    async with await resume as stream:
        check_surface(stream.head.surface)
        asking.note(stream_id=stream.id, resumed=after)
        frames = Frames.of(stream, Manner.of(stream.head.facts))
        return await send(request, stream, frames, aiter(stream))


def state_of(stood: Snapshot) -> dict[str, Any]:
    """
    A stream as JSON.

    Raises:
        NoStream: It is of another surface, which has its own way to tell.
    """
    check_surface(stood.head.surface)
    head, manner = stood.head, Manner.of(stood.head.facts)
    told: dict[str, Any] = {
        "stream_id": head.id,
        "state": stood.state,
        "agent_id": head.agent,
        "chat_id": manner.chat or None,
        "created": head.created,
        "response": text_of(stood.events),
        "last_event_id": f"{head.id}:{stood.first + len(stood.events) - 1}",
    }
    ending = stood.events[-1] if stood.events else None
    if stood.state == "failed" and isinstance(ending, Error):
        told["error"] = {"message": ending.message, "code": ending.code}
    return told


def _place(request: web.Request) -> tuple[str, int]:
    """Which stream, and behind which of its events."""
    named, sent = request.match_info.get("stream"), request.headers.get("Last-Event-ID")
    if not sent:
        return named or "", 0
    found = _EVENT_ID.match(sent)
    if found is None or named not in {None, found[1]}:
        text = "'Last-Event-ID' must be the id of an event of this stream."
        raise Reject(400, "invalid_value", text, param="Last-Event-ID")
    return found[1], int(found[2])


def check_surface(surface: str) -> None:
    """
    See whether a stream of this surface is shown here.

    Raises:
        NoStream: It is not.
    """
    if surface not in SURFACES:
        raise NoStream
