"""Errors as OpenAI's clients read them: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.errors import Reject
from gateway.events import Error
from gateway.json_text import dumps


# The SDKs send these again by themselves, unless told not to.
RETRIED = frozenset({408, 409, 429})


def body(message: str, type: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """The JSON of an error; `message` is always text."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def of_event(error: Error) -> dict[str, Any]:
    """The JSON of an `Error` event."""
    return body(error.message, error.type, error.code)


def response(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> web.Response:
    """An HTTP answer with this JSON."""
    return web.Response(
        status=status,
        body=dumps(content),
        content_type="application/json",
        headers=headers,
    )


def from_reject(reject: Reject) -> web.Response:
    """The answer that a `Reject` is."""
    headers = {} if reject.retry else no_retry(reject.status)
    content = body(reject.message, reject.type, reject.code, reject.param)
    return response(reject.status, content, headers)


def from_event(error: Error, headers: Mapping[str, str]) -> web.Response:
    """An `Error` that came before anything else: a real status instead of a 200."""
    # A run that is busy, waits for approval or was cancelled does not get better by haste.
    safe = error.rolled_back and error.status != 409
    retry = {} if safe else no_retry(error.status)
    return response(error.status, of_event(error), {**headers, **retry})


def no_retry(status: int) -> dict[str, str]:
    """What stops the SDKs from sending a message twice that Letta may have kept."""
    return {"x-should-retry": "false"} if status in RETRIED or status >= 500 else {}
