"""How a run fails: what Letta says of it in a stream, and as an HTTP answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs


BAD_JSON = (
    "Unhandled LLM error: Expecting property name enclosed in double quotes: "
    "line 1 column 2 (char 1)"
)
DROPPED = (
    "INTERNAL_SERVER_ERROR: Connection error during OpenAI streaming: peer closed connection "
    "without sending complete message body (incomplete chunked read)"
)
ERROR_OBJECT = "INVALID_ARGUMENT: OpenAI API error: scripted mid-stream error"
NO_CONNECTION = "INTERNAL_SERVER_ERROR: Failed to connect to OpenAI: Connection error."
NOT_FOUND = "NOT_FOUND: Resource not found in OpenAI: 404: Not Found"
NO_TOOL_CALL = "No tool calls found in response, model must make a tool call"
TOO_LONG = "CONTEXT_WINDOW_EXCEEDED: Bad request to OpenAI (context window exceeded): "
PENDING = (
    "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call. "
    "Please approve or deny the pending request before continuing."
)
NOTHING_PENDING = (
    "Cannot process approval response: No tool call is currently awaiting approval. "
    "Please send a regular message to interact with the agent."
)

_LLM = "An error occurred with the LLM request."
_UNKNOWN = "An unknown error occurred with the LLM streaming request."


@attrs.define
class Failure(Exception):
    """
    A run fails.

    Args:
        stop: The stop reason.
        type: The error's type, for a stream that has not said anything yet.
        message: What goes with it.
        detail: What happened.
        status: The HTTP status of an answer that is not streamed.
        body: Its body.
        broken: The model's stream broke after it had begun.
        before: A stop reason that older agent types give first, if they have said anything.
    """

    stop: str
    type: str
    message: str
    detail: str
    status: int
    body: Mapping[str, Any]
    broken: bool = False
    before: str = "llm_api_error"


@attrs.frozen
class _Kind:
    """What Letta makes of a model's HTTP status."""

    type: str
    message: str
    prefix: str
    http_type: str = ""
    http_message: str = ""


_KINDS = {
    400: _Kind(
        "llm_error",
        _LLM,
        "INVALID_ARGUMENT: Bad request to OpenAI-compatible endpoint: ",
        "llm_bad_request",
        "The request to the LLM model provider was invalid.",
    ),
    401: _Kind(
        "llm_authentication",
        "Authentication failed with the LLM model provider.",
        "UNAUTHENTICATED: Authentication failed with OpenAI: ",
    ),
    429: _Kind(
        "llm_rate_limit",
        "Rate limit exceeded for LLM model provider. Please wait before making another request.",
        "RATE_LIMIT_EXCEEDED: Rate limited by OpenAI: ",
    ),
}
_OTHER = _Kind("llm_error", _LLM, "INTERNAL_SERVER_ERROR: OpenAI API error: ")


def model_status(status: int, message: str, code: str | None) -> Failure:
    """The model's provider answers with this status."""
    kind = _KINDS.get(status, _OTHER)
    error = {
        "message": message or f"scripted error {status}",
        "type": "scripted",
        "param": None,
        "code": code,
    }
    detail = f"Error code: {status} - {{'error': {error}}}"
    if code == "context_length_exceeded":
        return model(f"{TOO_LONG}{detail} ({{'is_byok': False}})")
    return _model(kind, kind.prefix + detail, status if status in _KINDS else 500)


def model(detail: str) -> Failure:
    """The call of the model fails in another way."""
    return _model(_OTHER, detail, 500)


def raw(failure: Failure) -> Failure:
    """
    The same as older agent types report it when they do not stream tokens: unclassified.

    What the model's status was can only be read in the detail.
    """
    detail = failure.detail[max(failure.detail.find("Error code: "), 0) :]
    detail = "Connection error." if failure.detail == NO_CONNECTION else detail
    body = {"detail": "An unknown error occurred"}
    return attrs.evolve(refused(detail), before="error", status=500, body=body)


def broken(detail: str) -> Failure:
    """The model's stream breaks off."""
    return attrs.evolve(model(detail), broken=True)


def empty(model_name: str) -> Failure:
    """The model says nothing, which Letta notices unless it streams tokens."""
    detail = (
        "INTERNAL_SERVER_ERROR: LLM provider returned empty content in response "
        f"(ID: chatcmpl-0, model: {model_name}, finish_reason: stop)"
    )
    failure = model(detail)
    return attrs.evolve(
        failure,
        stop="invalid_llm_response",
        type="llm_empty_response",
        message="LLM returned an empty response.",
    )


def no_tool_call() -> Failure:
    """An older agent's model only talks, and has no tool to talk with."""
    return attrs.evolve(model(NO_TOOL_CALL), before="no_tool_call")


def pending(request: str) -> Failure:
    """There is a call that must be answered first; `request` is the message that made it."""
    detail = {"code": "PENDING_APPROVAL", "message": PENDING, "pending_request_id": request}
    return Failure("error", "internal_error", PENDING, PENDING, 409, {"detail": detail})


def wrong_calls(expected: Sequence[str], received: Sequence[str]) -> Failure:
    """The answer is to other calls than those that are pending."""
    return refused(
        f"Invalid tool call IDs. Expected '{list(expected)}', but received '{list(received)}'."
    )


def refused(detail: str) -> Failure:
    """Letta cannot use the input."""
    return Failure("error", "internal_error", _UNKNOWN, detail, 400, {"detail": detail})


def _model(kind: _Kind, detail: str, status: int) -> Failure:
    error = {
        "type": kind.http_type or kind.type,
        "message": kind.http_message or kind.message,
        "detail": detail,
    }
    return Failure("llm_api_error", kind.type, kind.message, detail, status, {"error": error})
