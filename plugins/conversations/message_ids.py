"""What a client calls its messages: it tells which of a chat's branches somebody is in."""

from __future__ import annotations

import hashlib

import attrs

from gateway.plugin import Call, Thread


@attrs.frozen
class MessageIds:
    """
    The `reply` that is asked for, and its `parent`: the reply that the user answers, or "".

    In a chain of responses each reply has an id of its own, and `first` is the ordinal of the
    first user turn behind the parent. A chat UI's reply keeps its id from a tool call to the
    end, and answers one turn; then `first` is 0.
    """

    parent: str
    reply: str
    first: int = 0


def message_ids(
    call: Call, parent_header: str, reply_header: str, key: str = ""
) -> MessageIds | None:
    """
    The ids of a request in the chat `key`, shortened; None if the client does not send both.

    A chat UI has them in these headers, a chain of responses in its thread.
    """
    parent = call.headers.get(parent_header.lower())
    reply = call.headers.get(reply_header.lower())
    if parent is None or not reply or "{{" in parent + reply:  # a template nobody filled in
        return _chain_ids(call.thread, key)
    return MessageIds(_short(parent), _short(reply))


def _chain_ids(thread: Thread, key: str) -> MessageIds | None:
    """None, too, if a chain begins in a chat of another name: its whole history is sent."""
    if not thread.reply or not (thread.parent or key == thread.chat):
        return None
    return MessageIds(_short(thread.parent), _short(thread.reply), thread.first)


def is_passing(call: Call, key: str) -> bool:
    """Whether this chat is no more than a chain of responses, which nobody has named."""
    return call.thread.passing and call.thread.chat == key


def _short(name: str) -> str:
    # What clients send as an id may be of any length.
    data = name.encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=9).hexdigest() if name else ""
