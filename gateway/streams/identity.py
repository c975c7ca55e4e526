"""Which requests are one and the same, and where what belongs to a caller is stored."""

from __future__ import annotations

import hashlib
import re
import secrets

import orjson

from gateway.call import Call


# Twins may differ in these: they say how the answer is sent, not what is asked.
_MANNER = frozenset({"stream", "stream_options"})

_KEY = "idempotency-key"
_RETRIES = "x-stainless-retry-count"
_ID = re.compile("[0-9a-f]{32}")


def new_id() -> str:
    """An id for a stream, which nobody can guess."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether it could be the id of a stream."""
    return _ID.fullmatch(text) is not None


def place_of(caller: str, stream_id: str) -> str:
    """Where a stream of this caller's is stored; to all others it is not there."""
    # No step of the pipeline has an empty name, so none of them sees what begins so.
    return f"/stream/{caller}/{stream_id}"


def talk_of(caller: str, chat: str) -> str:
    """Where it is stored which streams run in a chat of this caller's."""
    return f"/talk/{caller}/{_hashed(chat.encode(errors='surrogatepass'))}"


def key_of(call: Call) -> str:
    """The idempotency key, or ""."""
    return call.headers.get(_KEY, "")


def name_of(caller: str, key: str) -> str:
    """Where the claim on this key is stored; it is the caller's own."""
    return f"/once/{caller}/{_hashed(key.encode(errors='surrogatepass'))}"


def attempt_of(call: Call) -> int | None:
    """How many times an OpenAI SDK has sent this before; None if no SDK says so."""
    told = call.headers.get(_RETRIES, "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 4 else None


def digest_of(call: Call, surface: str, chat: str) -> str:
    """The same for all that ask for the same in this chat, streamed or not."""
    asked = {name: value for name, value in call.body.items() if name not in _MANNER}
    body = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    place = _hashed(chat.encode(errors="surrogatepass")).encode()
    return _hashed(b"\0".join([surface.encode(), place, body]))


def _hashed(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
