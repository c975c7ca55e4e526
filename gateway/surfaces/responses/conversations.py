"""`/v1/conversations`: names for chats that go on, made here and signed.

Any other text names a chat as well; these are for clients that want OpenAI's.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

import orjson
from aiohttp import web

from gateway.errors import Reject
from gateway.json_text import dumps
from gateway.surfaces.openai_errors import response
from gateway.surfaces.openai_messages import kind, refuse
from gateway.surfaces.responses.kept import Kept
from gateway.surfaces.responses.state import kept_of
from gateway.web.request import json_body


SIGNED = "conv_"
KEPT_SECONDS = 365 * 86400.0


async def make_conversation(request: web.Request) -> web.Response:
    """A new one, with nothing said in it."""
    body = await json_body(request) if request.can_read_body else {}
    if not isinstance(body, dict):
        refuse("body", f"The body must be a JSON object, not {kind(body)}.", "invalid_type")
    if body.get("items"):
        text = "'items' cannot be put into a conversation: only what is said to an agent can."
        refuse("items", text, "unsupported_value")
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        refuse("metadata", f"'metadata' must be an object, not {kind(metadata)}.", "invalid_type")
    kept = await kept_of(request)
    given = kept.ids.sign("conv", secrets.token_hex(16))
    made = {"id": given, "object": "conversation", "created_at": int(time.time())}
    made["metadata"] = metadata
    await kept.store.put(_key(kept, given), dumps(made), ttl=KEPT_SECONDS)
    return response(200, made)


async def get_conversation(request: web.Request) -> web.Response:
    """What is known of it."""
    return response(200, await _read(await kept_of(request), request.match_info["conversation"]))


async def delete_conversation(request: web.Request) -> web.Response:
    """It names nothing any more. What the agent remembers of it, it remembers."""
    kept, given = await kept_of(request), request.match_info["conversation"]
    await _read(kept, given)
    await kept.store.take(_key(kept, given))
    return response(200, {"id": given, "object": "conversation.deleted", "deleted": True})


async def check(kept: Kept, named: str) -> None:
    """
    See whether a request may name this conversation.

    Raises:
        Reject: It looks like one that was made here, and is none of the caller's.
    """
    if named.startswith(SIGNED):
        await _read(kept, named)


async def _read(kept: Kept, given: str) -> dict[str, Any]:
    known = kept.ids.token("conv", given) is not None
    stored = await kept.store.read(_key(kept, given)) if known else None
    if stored is None:
        text = (
            f"Conversation with id '{given[:100]}' not found. POST /v1/conversations makes one;"
            f" a name of your own must not begin with '{SIGNED}'."
        )
        raise Reject(404, "conversation_not_found", text, param="conversation")
    read: dict[str, Any] = orjson.loads(stored)
    return read


def _key(kept: Kept, given: str) -> str:
    return f"/responses/{kept.caller.identity}/conversations/{given}"
