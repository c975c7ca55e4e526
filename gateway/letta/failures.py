"""Every way in which Letta fails, as the `Error` that a client is told.

Sources: error frames and stop reasons of streams, HTTP statuses, and what the connection
itself raises. Details that name the server's own paths or users are not passed on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import errorcode
from ssl import SSLError
from typing import Any

import httpx
from letta_client import APIConnectionError, APIStatusError
from loguru import logger

from gateway.errors import LettaError, error_type
from gateway.events import Error


APPROVAL_CONFLICT = "waiting for approval"
NOT_PENDING = ("No tool call is currently awaiting approval", "Invalid tool call IDs")

# With these nothing has been sent. After any other failure Letta may have the message.
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# Their own words say nothing, or too much: a header that is refused is quoted with its key.
_REASONS: Mapping[type[Exception], str] = {
    httpx.PoolTimeout: "all connections to it are in use (letta.max_connections)",
    httpx.ConnectTimeout: "it does not take the connection",
    httpx.TimeoutException: "it does not answer",
    httpx.LocalProtocolError: "the request cannot be written; is LETTA_API_KEY well-formed?",
}

_LONGEST_DETAIL = 400
_PRIVATE = re.compile(r"(?<![\w:/])(?:/[\w.@-]+){2,}/?|\b(?:user|org)-[0-9a-f-]{36}\b")
_CONTEXT_WINDOW = re.compile(r"CONTEXT_WINDOW_EXCEEDED|context_length_exceeded|context window")

# error_type of a frame or body -> status, code
_KINDS: Mapping[str, tuple[int, str]] = {
    "llm_rate_limit": (429, "rate_limit_exceeded"),
    "llm_authentication": (502, "upstream_model_auth"),
    "llm_timeout": (504, "upstream_model_timeout"),
    "llm_bad_request": (400, "upstream_model_refused"),
    "llm_empty_response": (502, "upstream_empty_response"),
    "llm_error": (502, "upstream_model_error"),
    "stream_incomplete": (502, "upstream_incomplete"),
    "context_window_overflow_in_system_prompt": (400, "context_length_exceeded"),
}

# The older agents' failures have no kind: only the words of the client that asked the model.
_MODEL_STATUS = re.compile(r"Error code: (\d{3})\b")
_MODEL_STATUSES: Mapping[str, str] = {
    "400": "llm_bad_request",
    "401": "llm_authentication",
    "403": "llm_authentication",
    "429": "llm_rate_limit",
}

# stop_reason -> status, code, message; used when no error frame says more
STOP_REASONS: Mapping[str, tuple[int, str, str]] = {
    "error": (502, "upstream_error", "The agent's run failed at Letta."),
    "llm_api_error": (502, "upstream_model_error", "The agent's model failed."),
    "invalid_llm_response": (
        502,
        "upstream_invalid_response",
        "The agent's model gave an answer that Letta cannot read.",
    ),
    "invalid_tool_call": (
        502,
        "upstream_invalid_tool_call",
        "The agent's model called a tool in a way that Letta cannot read.",
    ),
    "no_tool_call": (
        502,
        "upstream_no_tool_call",
        "The agent must answer by calling a tool, and its model did not.",
    ),
    "cancelled": (409, "run_cancelled", "The agent's run was cancelled at Letta."),
    "insufficient_credits": (
        429,
        "insufficient_quota",
        "The Letta account has no credits left.",
    ),
    "context_window_overflow_in_system_prompt": (
        400,
        "context_length_exceeded",
        "The agent's system prompt and memory do not fit into its model's context window.",
    ),
}


def make(status: int, code: str, message: str, *, rolled_back: bool = False) -> Error:
    """An `Error` whose type goes with its status."""
    return Error(status, error_type(status), code, message, rolled_back)


def from_frame(frame: Mapping[str, Any], *, rolled_back: bool) -> Error:
    """An error frame of a stream, or the `error` object of an HTTP body."""
    kind = str(frame.get("error_type") or frame.get("type") or "internal_error")
    message, detail = str(frame.get("message") or ""), str(frame.get("detail") or "")
    if APPROVAL_CONFLICT in message or APPROVAL_CONFLICT in detail:
        return waiting_for_approval(())
    if any(words in message or words in detail for words in NOT_PENDING):
        return not_pending()
    if kind == "internal_error" and (said := _MODEL_STATUS.match(detail)):
        kind = _MODEL_STATUSES.get(said[1], "llm_error")
    status, code = _KINDS.get(kind, (502, "upstream_error"))
    if _CONTEXT_WINDOW.search(detail) or _CONTEXT_WINDOW.search(message):
        status, code = 400, "context_length_exceeded"
    elif kind == "llm_error" and detail.startswith("INVALID_ARGUMENT"):
        status, code = _KINDS["llm_bad_request"]
    text = " ".join(part for part in (message, public(detail)) if part)
    return make(status, code, text or "The agent's run failed at Letta.", rolled_back=rolled_back)


def from_stop_reason(reason: str, *, rolled_back: bool) -> Error:
    """A failing stop reason that came without an error frame."""
    status, code, message = STOP_REASONS[reason]
    return make(status, code, message, rolled_back=rolled_back)


def from_status(status: int, body: object) -> Error:
    """An HTTP status of Letta's other than success."""
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        return from_frame(body["error"], rolled_back=True)
    text = _detail(body)
    match status:
        case 401 | 403:
            message = "Letta refuses the gateway's own key. Its operator must set LETTA_API_KEY."
            return make(502, "upstream_auth", message, rolled_back=True)
        case 404:
            return _not_found(text)
        case 409:
            return waiting_for_approval(()) if APPROVAL_CONFLICT in text else busy()
        case 400 | 422:
            code, message = "upstream_refused", f"Letta refuses the request. {text}"
            return make(400, code, message.strip(), rolled_back=True)
        case 429:
            text = text or "Letta's rate limit is reached."
            return make(429, "rate_limit_exceeded", text, rolled_back=True)
    return make(502, "upstream_error", f"Letta answered with HTTP {status}. {text}".strip())


def _detail(body: object) -> str:
    detail = body.get("detail") if isinstance(body, Mapping) else None
    if isinstance(detail, Mapping):
        detail = detail.get("message")
    return public(detail) if isinstance(detail, str) else ""


def _not_found(detail: str) -> Error:
    # The detail of a missing conversation carries the actor's representation.
    if detail.startswith("Conversation"):
        message = "The conversation does not exist at Letta any more."
        return make(404, "conversation_not_found", message, rolled_back=True)
    if detail.startswith("Agent"):
        message = "The agent does not exist at Letta any more."
        return make(404, "model_not_found", message, rolled_back=True)
    message = f"Letta answered with HTTP 404. Is its address right? {detail}".strip()
    return make(502, "upstream_error", message, rolled_back=True)


def busy() -> Error:
    """Another request is running in this conversation."""
    message = "Another request is running in this conversation. Wait until it has finished."
    return make(409, "conversation_busy", message)


def waiting_for_approval(names: Sequence[str]) -> Error:
    """The agent waits for the approval of tool calls that this client did not offer."""
    which = f" of {', '.join(names)}" if names else ""
    message = (
        f"The agent waits for the approval of a tool call{which}, and nothing else can be sent"
        " to it until that is approved or denied at Letta."
    )
    return make(409, "pending_approval", message)


def not_pending() -> Error:
    """The results of tool calls came when Letta waits for others, or for none."""
    message = "The agent does not wait for the results of these tool calls any more."
    return make(400, "tool_call_not_pending", message, rolled_back=True)


def unreachable(why: str) -> Error:
    """No connection; nothing has been sent."""
    return make(502, "upstream_unreachable", f"Letta cannot be reached: {why}.", rolled_back=True)


def unreadable() -> Error:
    """Something answers at Letta's address that does not speak as Letta does."""
    message = "What Letta answered cannot be read. Is its address right?"
    return make(502, "upstream_unreadable", message)


def timed_out(seconds: float) -> Error:
    """Silence for longer than the read timeout, although Letta pings."""
    message = f"Letta has been silent for more than {seconds:g} s."
    return make(504, "upstream_timeout", message)


def nowhere() -> Error:
    """The pipeline has no plugin that names the agent, or none that names the conversation."""
    message = "No plugin has decided which agent to ask, and in which conversation."
    return make(500, "no_conversation", message, rolled_back=True)


def not_taken() -> Error:
    """The request has only results of tool calls, and the pipeline no plugin that takes them."""
    message = "These tool calls cannot be answered here, and nothing else is said."
    return make(400, "tool_call_not_pending", message, rolled_back=True)


def incomplete(why: str = "") -> Error:
    """The stream stopped without its ending: what became of the turn is not known."""
    message = "The stream from Letta broke off before its end."
    return make(502, "upstream_incomplete", f"{message} {why}".strip())


def as_reject(error: Error) -> LettaError:
    """The same, to be raised where no stream is open."""
    return LettaError(
        error.status, error.code, error.message, type=error.type, retry=error.rolled_back
    )


@contextmanager
def rejects() -> Iterator[None]:
    """What letta-client raises becomes an answer that a client can be given."""
    try:
        yield
    except APIStatusError as exc:
        raise as_reject(from_status(exc.status_code, exc.body)) from exc
    except APIConnectionError as exc:
        raise as_reject(unreachable(reason(exc))) from exc
    except (AttributeError, LookupError, TypeError, ValueError) as exc:
        # letta-client does not look closely at what it is given.
        logger.opt(exception=exc).debug("what Letta said cannot be read")
        raise as_reject(unreadable()) from exc


def public(detail: str) -> str:
    """The first line of a detail, shortened, without paths and ids of the server's users."""
    first = detail.strip().partition("\n")[0]
    clean = _PRIVATE.sub("…", first.partition(" for actor=")[0])
    return clean if len(clean) <= _LONGEST_DETAIL else clean[: _LONGEST_DETAIL - 1] + "…"


def reason(exc: BaseException) -> str:
    """Why a connection failed, in the words of the innermost error if they say something."""
    cause: BaseException = exc.__cause__ or exc if isinstance(exc, APIConnectionError) else exc
    for kind, words in _REASONS.items():
        if isinstance(cause, kind):
            return words
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if isinstance(cause, OSError) and not isinstance(cause, SSLError):
        number = cause.errno or 0
        if number in errorcode:  # its own words may hold an address that is nobody's business
            return f"[Errno {number}] {os.strerror(number)}"
    return str(cause) or type(cause).__name__
