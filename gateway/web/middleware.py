"""Around every request: its id, who asks, errors in OpenAI's shape, one log line."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs
from aiohttp import web

from gateway.errors import GatewayError, Reject, error_type
from gateway.live import Generation
from gateway.services import Clock, Context
from gateway.surfaces import openai_errors
from gateway.web.capacity import Capacity, Full
from gateway.web.request import ASKING, Asking, public_headers
from gateway.web.running import Running


if TYPE_CHECKING:
    from loguru import Logger

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = "x-request-id"
SERVER = "letta-gateway"
_SAFE_ID = re.compile(r"[\w.:-]{1,128}\Z", re.ASCII)

# A socket answers many messages: each is a request of its own, and says whose it is.
SOCKET = "/ws"

# Pages that a browser asks for, which cannot send a key; they hold nothing of anybody's.
PAGES = "/console/"

# Routes that say only that the gateway lives; no key is asked and no line is logged.
OPEN = frozenset({"/health", "/ready"})


@attrs.frozen
class Doorman:
    """Lets requests in, and writes down what became of them."""

    current: Callable[[], Generation]
    clock: Clock
    logger: Logger
    capacity: Capacity
    running: Running = attrs.field(factory=Running)

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        asking = self._asking(request)
        request[ASKING] = asking
        status = 499
        try:
            response = await self._answer(request, handler, asking)
            status = response.status
            return response
        finally:
            if request.path not in OPEN:
                self._log(request, asking, status)

    def _asking(self, request: web.Request) -> Asking:
        sent = request.headers.get(REQUEST_ID, "")
        request_id = sent if _SAFE_ID.match(sent) else secrets.token_hex(12)
        context = Context(request_id, self.clock)
        logger = self.logger.bind(request_id=request_id)
        return Asking(context, self.current(), public_headers(request), logger)

    async def _answer(
        self, request: web.Request, handler: Handler, asking: Asking
    ) -> web.StreamResponse:
        try:
            access = asking.answers.access
            access.check_host(request)
            access.check_origin(request)
            if request.method == "OPTIONS" and "Origin" in request.headers:
                return web.Response(status=204)
            if request.path == SOCKET:
                return await handler(request)
            if request.path not in OPEN and not request.path.startswith(PAGES):
                caller = access.caller(request)
                asking.context = attrs.evolve(asking.context, caller=caller)
            with (
                self.capacity.room(request.path),
                asking.answers.in_use(),
                self.running.request(),
            ):
                return await handler(request)
        except Full as exc:
            asking.note(error=exc.code)
            return exc.response()
        except Reject as exc:
            asking.note(error=exc.code)
            return openai_errors.from_reject(exc)
        except web.HTTPException as exc:
            return _http_error(request, exc, asking)
        except (ConnectionError, TimeoutError) as exc:
            if request.transport is None or request.transport.is_closing():
                raise asyncio.CancelledError from None  # the client has gone, or does not read
            return self._failed(asking, exc)
        except Exception as exc:  # noqa: BLE001  a bug must not show its traceback to clients
            return self._failed(asking, exc)

    def _failed(self, asking: Asking, exc: Exception) -> web.Response:
        known = isinstance(exc, GatewayError)
        asking.logger.opt(exception=None if known else exc).error("request failed: {!r}", exc)
        error = exc if isinstance(exc, GatewayError) else GatewayError()
        message = error.public if known else "The gateway failed. Its log says why."
        asking.note(error=error.code)
        return openai_errors.response(
            error.status,
            openai_errors.body(message, error.type, error.code),
            openai_errors.no_retry(error.status),
        )

    async def stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        """Before any headers go out, a stream's too: the request's id, and CORS."""
        response.headers["Server"] = SERVER
        if ASKING in request:
            response.headers[REQUEST_ID] = request[ASKING].context.request_id
        response.headers.update(self.current().access.cors(request))

    def _log(self, request: web.Request, asking: Asking, status: int) -> None:
        asking.note(key=asking.context.caller.name, status=status, ms=asking.elapsed_ms())
        level = "WARNING" if status >= 500 or asking.failed else "INFO"
        if asking.facts.get("error") == Full.code:
            level = "DEBUG"  # there may be thousands, and the log has their number
        asking.logger.bind(**asking.facts).log(level, "{} {}", request.method, request.path)


def _http_error(request: web.Request, exc: web.HTTPException, asking: Asking) -> web.Response:
    """aiohttp's own refusals (404, 405, 413), in OpenAI's shape."""
    messages = {
        404: f"There is no {request.path} here. {_instead(request.path)}",
        405: f"{request.path} does not take {request.method}. It takes {_allowed(exc)}.",
        413: "The body is larger than the gateway takes (server.body_limit_mb).",
    }
    codes = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
    message = messages.get(exc.status, exc.reason)
    asking.note(error=codes.get(exc.status))
    content = openai_errors.body(message, error_type(exc.status), codes.get(exc.status))
    allow = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
    return openai_errors.response(exc.status, content, allow)


def _instead(path: str) -> str:
    """What there is near a path that there is not."""
    if f"{path}/".startswith("/v1/"):
        return (
            "Under /v1 there are models, chat/completions, responses and conversations;"
            " /chat, /agents and /ws are without /v1."
        )
    return "A base URL for OpenAI's clients ends in /v1. A page to chat in is /console/chat.html."


def _allowed(exc: web.HTTPException) -> str:
    return ", ".join(exc.headers.get("Allow", "").split(","))
