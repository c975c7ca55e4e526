"""What a chat UI calls its messages: it tells which of a chat's branches somebody is in."""

from __future__ import annotations

import hashlib

import attrs

from gateway.plugin import Call


@attrs.frozen
class MessageIds:
    """The `reply` that is asked for, and its `parent`: the reply that the user answers, or ""."""

    parent: str
    reply: str


def message_ids(call: Call, parent_header: str, reply_header: str) -> MessageIds | None:
    """The ids in these headers, shortened; None if the client does not send both."""
    parent = call.headers.get(parent_header.lower())
    reply = call.headers.get(reply_header.lower())
    if parent is None or not reply or "{{" in parent + reply:  # a template nobody filled in
        return None
    return MessageIds(_short(parent), _short(reply))


def _short(name: str) -> str:
    # What clients send as an id may be of any length.
    data = name.encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=9).hexdigest() if name else ""
