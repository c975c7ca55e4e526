"""The body of `POST /chat` and `/chat/stream` becomes a `Call`, or a 400 that says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

import attrs

from gateway.call import Call, Message, Reply
from gateway.surfaces.chat_request import LONGEST_MODEL, NOTHING, shallow
from gateway.surfaces.native.shown import Showing
from gateway.surfaces.openai_messages import kind, parts_of, refuse
from gateway.thread import Thread


LONGEST_ID = 512
LONGEST_TITLE = 200

READ = frozenset(
    {"agent", "agent_id", "chat_id", "chat_title", "enable_thinking", "events", "message"}
)

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")

# What OpenAI's clients name a chat by: here it has a field of its own.
ELSEWHERE = frozenset({"conversation", "metadata"})


@attrs.frozen
class Manner:
    """
    How an answer is shown, and of which chat it is; "" if of none.

    `reply_to` is the client's own id of the message that is answered, where it has given one.
    """

    chat: str = ""
    thinking: bool = True
    full: bool = False
    reply_to: str = ""

    def showing(self) -> Showing:
        """What shows the answer so."""
        return Showing(self.thinking, self.full)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The same as JSON, for whoever takes the stream up again."""
        return attrs.asdict(self)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """What `facts` were."""
        return cls(**facts)


@attrs.frozen
class NativeRequest:
    """A parsed request. `title` is the chat's, or ""."""

    call: Call
    manner: Manner
    title: str = ""


def parse(body: object, headers: Mapping[str, str], *, stream: bool) -> NativeRequest:
    """
    Check the body and read it.

    Raises:
        Reject: A field is missing or of the wrong type.
    """
    if not isinstance(body, dict):
        refuse("body", f"The body must be a JSON object, not {kind(body)}.", "invalid_type")
    shallow(body)
    manner = manner_of(body, name_in(body, "chat_id"))
    call = call_of(body, manner, agent=agent_in(body, "agent_id", "agent"), said="message")
    call = attrs.evolve(call, headers=headers, stream=stream)
    ignored = [name for name, value in body.items() if name not in READ and value not in NOTHING]
    call = attrs.evolve(call, reply=Reply(ignored=tuple(ignored)))
    return NativeRequest(call, manner, title_in(body, "chat_title"))


def manner_of(body: Mapping[str, Any], chat: str) -> Manner:
    """
    What the fields `enable_thinking` and `events` say.

    Raises:
        Reject: They say what cannot be.
    """
    thinking, events = body.get("enable_thinking"), body.get("events")
    if thinking is not None and not isinstance(thinking, bool):
        text = f"'enable_thinking' must be true or false, not {kind(thinking)}."
        refuse("enable_thinking", text, "invalid_type")
    if events not in (None, "basic", "full"):
        refuse("events", "'events' must be basic or full.")
    return Manner(chat, thinking is not False, events == "full")


def call_of(body: Mapping[str, Any], manner: Manner, *, agent: str, said: str) -> Call:
    """
    The call of a client that sends what is new, and keeps no history; `said` names its field.

    Raises:
        Reject: Nothing is said, or in a form that Letta cannot be sent.
    """
    parts = parts_of(body.get(said), said)
    if not any(getattr(part, "text", True) for part in parts):
        refuse(said, f"'{said}' must say something: text, or parts of text and images.")
    shared = {name: value for name, value in body.items() if name not in ELSEWHERE}
    thread = Thread(manner.chat, only_new=True)
    return Call(agent, (Message("user", parts),), body=shared, thread=thread)


def name_in(body: Mapping[str, Any], field: str) -> str:
    """
    An id of the client's own: text or a number; "" if there is none.

    Raises:
        Reject: It is something else, or too long.
    """
    value = body.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        refuse(field, f"'{field}' must be text, not {kind(value)}.", "invalid_type")
    if len(str(value)) > LONGEST_ID:
        refuse(field, f"'{field}' is longer than {LONGEST_ID} characters.")
    return str(value)


def title_in(body: Mapping[str, Any], field: str) -> str:
    """
    A name or title in one line, not too long to be shown; "" if there is none.

    Raises:
        Reject: It is no text.
    """
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        refuse(field, f"'{field}' must be text, not {kind(value)}.", "invalid_type")
    # Letta's database takes no NUL, and nobody sees the others.
    return " ".join(_CONTROL.sub(" ", value or "").split())[:LONGEST_TITLE].rstrip()


def agent_in(body: Mapping[str, Any], *fields: str) -> str:
    """
    The agent's name or id, in the first of these fields that has one.

    Raises:
        Reject: None of them has.
    """
    field, value = next(((name, body[name]) for name in fields if body.get(name)), (fields[0], ""))
    if not isinstance(value, str) or not value:
        named = " or ".join(f"'{name}'" for name in fields)
        refuse(field, f"{named} must be text that names an agent.", "missing_model")
    if len(value) > LONGEST_MODEL:
        refuse(field, f"'{field}' is longer than {LONGEST_MODEL} characters.")
    return value
