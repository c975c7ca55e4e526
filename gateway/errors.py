"""Every error the gateway raises on purpose, in one tree.

    GatewayError
    ├── ConfigError       the file is wrong: every problem with its place
    ├── StartError        the process cannot start: one line that says what to do
    ├── StoreError        the store does not answer
    └── Reject            an answer to a request: status, type, code, message
        └── LettaError    the same, and Letta is the cause

A `Reject` is an answer, not a failure: it reaches the client in OpenAI's shape.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen
class Problem:
    """One mistake in a configuration file, with its place (lines and columns from 1)."""

    file: str
    line: int
    column: int
    path: str
    what: str

    def __str__(self) -> str:
        """`file:line:column: path: what`, as compilers write it."""
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.what}"


class GatewayError(Exception):
    """Base of all of them."""

    status = 500
    type = "server_error"
    code = "internal_error"

    @property
    def public(self) -> str:
        """What a client may be told of it."""
        return str(self)


class ConfigError(GatewayError):
    """The configuration is wrong; `problems` names every mistake at once."""

    code = "config_error"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StartError(GatewayError):
    """The process cannot start; the message says what to do."""

    code = "start_error"


class StoreError(GatewayError):
    """The store does not answer."""

    status = 503
    code = "store_unavailable"

    @property
    def public(self) -> str:
        """The message itself names files and addresses; the log has it."""
        return "The gateway's store does not answer."


class Reject(GatewayError):
    """
    Answer the request with an error, in OpenAI's shape.

    Args:
        status: The HTTP status.
        code: A stable word for programs, `model_not_found` for example.
        message: A sentence for people: what is wrong and what to do.
        type: OpenAI's error type; by default the one that goes with the status.
        param: The request field at fault, if one is.
        retry: Whether sending the same request again is safe and may help. False adds
            `x-should-retry: false`, which the OpenAI SDKs obey.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        type: str | None = None,
        param: str | None = None,
        retry: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type or error_type(status)
        self.code = code
        self.message = message
        self.param = param
        self.retry = retry


class LettaError(Reject):
    """Letta refused, failed or cannot be reached."""


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


def error_type(status: int) -> str:
    """OpenAI's error type for an HTTP status."""
    if status >= 500:
        return "server_error"
    return _TYPES.get(status, "invalid_request_error")
