"""Which chat a client names: by a header, in its surface's own field, or in the body."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from gateway.plugin import Agent, Call, Reject


def chat_key(call: Call, headers: Sequence[str]) -> str:
    """
    The chat that the client names, by header or otherwise; "" for none.

    Raises:
        Reject: What the body names is no text.
    """
    named = [call.headers.get(header.lower()) for header in headers]
    named.append(call.thread.chat)
    conversation, metadata = call.body.get("conversation"), call.body.get("metadata")
    if isinstance(conversation, Mapping):
        named.append(_text(conversation.get("id"), "conversation.id"))
    else:
        named.append(_text(conversation, "conversation"))
    if isinstance(metadata, Mapping):
        named.append(_text(metadata.get("chat_id"), "metadata.chat_id"))
    # A template that nobody has filled in names nothing.
    return next((key for key in named if key and "{{" not in key), "")


def name_of(caller: str, agent: Agent, key: str) -> str:
    """Where a chat is stored."""
    # A key is whatever the client likes: of any length, and perhaps no text at all.
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f"chat/{caller}/{agent.id}/{digest}"


def _text(value: object, param: str) -> str | None:
    """A number will do: many programs number their chats."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Reject(400, "invalid_type", f"'{param}' must be text.", param=param, retry=False)
