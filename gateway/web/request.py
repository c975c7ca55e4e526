"""What belongs to one HTTP request: who asks, its id, its log line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import orjson
from aiohttp import web

from gateway.errors import Reject
from gateway.events import ENDINGS, Error, Event, Usage
from gateway.live import Generation
from gateway.services import Context
from gateway.streams import Streams


if TYPE_CHECKING:
    from loguru import Logger

# Browsers say a socket's key as a subprotocol.
CREDENTIALS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "sec-websocket-protocol",
    }
)


@attrs.define
class Asking:
    """One request, and what its log line will say. `facts` never hold message text."""

    context: Context
    answers: Generation
    headers: Mapping[str, str]
    logger: Logger
    started: float = attrs.field(factory=time.monotonic)
    facts: dict[str, Any] = attrs.field(factory=dict)
    failed: bool = False
    """Whether a stream ended in an error that is no fault of the client's."""

    def note(self, **facts: object) -> None:
        """Add facts to the log line; None is left out."""
        self.facts.update({name: value for name, value in facts.items() if value is not None})

    def sent(self, batch: Sequence[Event]) -> None:
        """Note the time to the first event, the tokens, and an error."""
        if batch and "ttft_ms" not in self.facts:
            self.note(ttft_ms=self.elapsed_ms())
        if not batch or type(batch[-1]) not in LAST:
            return
        for event in batch[-2:]:  # nothing but an ending follows usage
            if isinstance(event, Usage):
                self.note(prompt_tokens=event.prompt, completion_tokens=event.completion)
            elif isinstance(event, Error):
                self.note(error=event.code)
                self.failed = event.status >= 500

    def elapsed_ms(self) -> int:
        """Milliseconds since the request came."""
        return round((time.monotonic() - self.started) * 1000)


# With which the answer comes to its end.
LAST = frozenset((Usage, *ENDINGS))

ASKING = web.RequestKey("asking", Asking)
STREAMS = web.AppKey("streams", Streams)


def asking_of(request: web.Request) -> Asking:
    """The `Asking` that the middleware made."""
    return request[ASKING]


def public_headers(request: web.Request) -> dict[str, str]:
    """Its headers with lower-case names and without credentials."""
    return {
        lower: value
        for name, value in request.headers.items()
        if (lower := name.lower()) not in CREDENTIALS
    }


async def json_body(request: web.Request) -> Any:
    """
    The body, parsed.

    Raises:
        Reject: It is not sent as JSON (a form on any web page could be), or is not JSON.
    """
    if request.content_type != "application/json":
        text = (
            f"The body must be sent as application/json, not {request.content_type}:"
            " add the header 'Content-Type: application/json'."
        )
        raise Reject(415, "unsupported_media_type", text)
    try:
        body = orjson.loads(await request.read())
        request._read_bytes = None  # aiohttp keeps it as long as the connection is open
        return body
    except web.RequestPayloadError as exc:
        text = "The body cannot be read: it is not encoded in the way that its headers say."
        raise Reject(400, "invalid_body", text) from exc
    except orjson.JSONDecodeError as exc:
        raise Reject(400, "invalid_json", f"The body is not JSON: {exc}.") from exc
