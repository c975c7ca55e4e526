"""What is stored of a stream, as compact JSON.

{…}                       its head, as a value
[first, [["t", …], …]]    in its log: events, each its kind and its fields, from this number on;
                          the last ones have the ending
[first, …, {"unmet": …}]  the request's field that the answer does not meet
[1, …, {"refused": …}]    the request was refused before Letta was asked
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from gateway.streams.kept import Head
from gateway.streams.pages import Page


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
_FIELDS = {kind: attrs.fields_dict(kind) for kind in _LETTERS}
_REJECT = ("status", "code", "message", "type", "param", "retry")


def dump_head(head: Head) -> bytes:
    """A head as it is stored."""
    return dumps(attrs.asdict(head))


def load_head(stored: bytes) -> Head:
    """What `dump_head` was given."""
    read = orjson.loads(stored)
    reply = {name: _hashable(value) for name, value in read.pop("reply").items()}
    return Head(**read, reply=Reply(**reply))


def dump(page: Page) -> bytes:
    """A page as it is stored."""
    item: list[Any] = [page.first, [_fields(event) for event in page.events]]
    if page.unmet:
        item.append({"unmet": page.unmet})
    if page.refused is not None:
        item.append({"refused": {name: getattr(page.refused, name) for name in _REJECT}})
    return dumps(item)


def load(stored: bytes) -> Page:
    """What `dump` was given."""
    first, fields, *more = orjson.loads(stored)
    events = [_KINDS[letter](*values) for letter, *values in fields]
    said = more[0] if more else {}
    refused = Reject(**said["refused"]) if "refused" in said else None
    return Page(first, events, said.get("unmet", ""), refused)


def _fields(event: Event) -> list[Any]:
    kind = type(event)
    return [_LETTERS[kind], *(getattr(event, name) for name in _FIELDS[kind])]


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
