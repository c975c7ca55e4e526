"""What a client sends over the socket: JSON objects, each with its `type`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs
import orjson

from gateway.call import Call, Reply
from gateway.errors import Reject
from gateway.surfaces.chat_request import NOTHING, shallow
from gateway.surfaces.native.request import (
    Manner,
    agent_in,
    call_of,
    manner_of,
    name_in,
    title_in,
)
from gateway.surfaces.openai_messages import kind, refuse


MESSAGE = frozenset(
    {
        *("type", "id", "session_id", "agentId", "agentName", "content", "stream"),
        *("chat_title", "enable_thinking", "events"),
    }
)


@attrs.frozen
class Message:
    """
    The user says something. `agent_id` and `agent_name` are as the client has sent them.

    If it is not to be `streamed`, the answer comes whole.
    """

    call: Call
    manner: Manner
    title: str
    agent_id: str
    agent_name: str
    streamed: bool = True


@attrs.frozen
class Resume:
    """Go on with the message of this id, behind the chunk that was seen last."""

    id: str
    after: int = 0


@attrs.frozen
class Interrupt:
    """Stop the message of this id: the answer's, or that of the client's own."""

    id: str


@attrs.frozen
class Token:
    """Who it is."""

    token: str = attrs.field(repr=False)


@attrs.frozen
class Ping:
    """Is anybody there?"""


Heard: TypeAlias = Message | Resume | Interrupt | Token | Ping


def hear(data: str) -> tuple[Mapping[str, Any], Heard | Reject]:
    """
    What a frame says, beside its fields; or why it cannot be taken.

    The fields tell whom an error belongs to, even where the frame is wrong.
    """
    fields: Mapping[str, Any] = {}
    try:
        fields = _fields(data)
        return fields, _read(fields)
    except Reject as exc:
        return fields, exc


def _fields(data: str) -> Mapping[str, Any]:
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise Reject(400, "invalid_json", f"The frame is not JSON: {exc}.") from exc
    if not isinstance(fields, dict):
        refuse("frame", f"A frame must be a JSON object, not {kind(fields)}.", "invalid_type")
    return fields


def _read(fields: Mapping[str, Any]) -> Heard:
    match fields.get("type"):
        case "message":
            return _message(fields)
        case "resume":
            return Resume(_id(fields), _after(fields.get("after")))
        case "interrupt":
            return Interrupt(_id(fields))
        case "auth":
            token = fields.get("token")
            return Token(token if isinstance(token, str) else "")
        case "ping":
            return Ping()
        case _:
            return refuse("type", "'type' must be message, resume, interrupt, auth or ping.")


def _message(fields: Mapping[str, Any]) -> Message:
    shallow(fields)
    session, said_id = name_in(fields, "session_id"), name_in(fields, "id")
    manner = attrs.evolve(manner_of(fields, session), reply_to=said_id)
    streamed = fields.get("stream")
    if streamed is not None and not isinstance(streamed, bool):
        refuse("stream", f"'stream' must be true or false, not {kind(streamed)}.", "invalid_type")
    agent = agent_in(fields, "agentId", "agentName")
    call = call_of(fields, manner, agent=agent, said="content")
    sent = [name for name, value in fields.items() if value not in NOTHING]
    ignored = [name for name in sent if name not in MESSAGE]
    call = attrs.evolve(
        call,
        stream=streamed is not False,
        headers=_once(session, said_id),
        reply=Reply(ignored=tuple(ignored)),
    )
    return Message(
        call,
        manner,
        title_in(fields, "chat_title"),
        name_in(fields, "agentId"),
        name_in(fields, "agentName"),
        call.stream,
    )


def _once(session: str, said_id: str) -> Mapping[str, str]:
    """A message that has an id is said once, however often it is sent."""
    if not said_id:
        return {}
    digest = hashlib.sha256(f"{session}\0{said_id}".encode(errors="surrogatepass")).hexdigest()
    return {"idempotency-key": f"ws-{digest}"}


def _id(fields: Mapping[str, Any]) -> str:
    return name_in(fields, "id") or refuse("id", "'id' must be the id of a message.")


def _after(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**12:
        refuse("after", "'after' must be the number of the last chunk that was seen.")
    return value
