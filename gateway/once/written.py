"""What the log of an answer is made of: each item is a line of compact JSON.

{"head": …}     first: who asked, and how the answer is shown
[["t", …], …]   a batch of events, each its kind and its fields; the last one has the ending
{"unmet": …}    ahead of the first batch, the request's field that the answer does not meet
{"reject": …}   instead of all that: the request was refused before Letta was asked
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import orjson

from gateway.call import Reply
from gateway.errors import Reject
from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.json_text import dumps


@attrs.frozen
class Head:
    """
    What all who read an answer are told alike. `created` is in Unix seconds.

    `agent` and `agent_name` are None where the request named no agent.
    """

    request_id: str
    created: int
    agent: str | None
    agent_name: str | None
    reply: Reply


@attrs.frozen
class Unmet:
    """The answer does not meet what this field of the request asks for."""

    field: str


Item: TypeAlias = Head | Unmet | Reject | list[Event]

_KINDS: Mapping[str, type[Event]] = {
    "t": TextDelta,
    "r": ReasoningDelta,
    "c": ToolCallStart,
    "a": ToolArgsDelta,
    "o": ToolResult,
    "s": Status,
    "u": Usage,
    "f": Finish,
    "e": Error,
    "p": Ping,
}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}
_REJECT = ("status", "code", "message", "type", "param", "retry")


def dump(item: Head | Unmet | Reject | Sequence[Event]) -> bytes:
    """An item of the log."""
    match item:
        case Head():
            return dumps({"head": attrs.asdict(item)})
        case Unmet(field):
            return dumps({"unmet": field})
        case Reject():
            return dumps({"reject": {name: getattr(item, name) for name in _REJECT}})
        case _:
            return dumps([_fields(event) for event in item])


def load(item: bytes) -> Item:
    """What `dump` was given."""
    read = orjson.loads(item)
    if isinstance(read, list):
        return [_KINDS[letter](*fields) for letter, *fields in read]
    if "head" in read:
        head = read["head"]
        reply = {name: _hashable(value) for name, value in head.pop("reply").items()}
        return Head(**head, reply=Reply(**reply))
    return Reject(**read["reject"]) if "reject" in read else Unmet(read["unmet"])


def ending_of(item: Item) -> Finish | Error | Reject | None:
    """How the answer ended, if this is its last item."""
    if isinstance(item, Reject):
        return item
    last = item[-1] if isinstance(item, list) and item else None
    return last if isinstance(last, Finish | Error) else None


def _fields(event: Event) -> list[Any]:
    return [_LETTERS[type(event)], *attrs.astuple(event, recurse=False)]


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
