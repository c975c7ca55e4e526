"""What is kept of a stream beside its events: who asked for what, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import attrs

from gateway.call import Reply
from gateway.errors import GatewayError, Reject, StoreError
from gateway.events import Error, Event, Finish


Ended: TypeAlias = Callable[[str], Awaitable[None]]
State: TypeAlias = Literal["running", "finished", "cancelled", "failed"]

# The code of the ending that a stream has whose process was killed.
LOST = "stream_lost"

# The codes of endings that somebody wanted.
INTERRUPTED = "interrupted"
CANCELLED = frozenset({INTERRUPTED, "run_cancelled"})


@attrs.frozen
class Keep:
    """
    What a surface wants of a stream that is kept.

    `facts` is any JSON that its encoder needs again when somebody else reads the stream, maybe
    in another process: what the request said of how it is answered. A stream in the
    `background` is not cancelled when nobody reads it. `ended` is called with the id after the
    end, whoever reads it then, in the process that it has run in.
    """

    facts: Mapping[str, Any] = attrs.field(factory=dict)
    background: bool = False
    ended: Ended | None = None


@attrs.frozen
class Limits:
    """
    How much is kept of a stream, and for how long.

    `ttl` counts from its end, `grace` from when its last reader has gone (None: for ever), both
    in seconds. `size` is in bytes: what is larger loses its start.
    """

    ttl: float
    grace: float | None
    size: int


@attrs.frozen
class Head:
    """
    A stream's own facts. `created` is in Unix seconds; `writer` is the process that it runs in.

    They stand from the start, but for the last ones: those are known when the plugins have
    `prepared` the request, and None where it names no agent and no conversation.
    """

    id: str
    request_id: str
    surface: str
    model: str
    created: int
    writer: str
    background: bool = False
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    prepared: bool = False
    agent: str | None = None
    agent_name: str | None = None
    agent_type: str | None = None
    conversation: str | None = None
    reply: Reply = attrs.field(factory=Reply)


@attrs.frozen
class Snapshot:
    """
    A stream as it stands: all its events so far, the ending too if it has one.

    The event with the number `first` is the first of them: 1, unless the stream was too large
    to be kept whole.
    """

    head: Head
    state: State
    events: tuple[Event, ...]
    first: int = 1


class NoStream(Reject):
    """There is no such stream, or it is somebody else's, which is the same to who asks."""

    def __init__(self) -> None:
        text = (
            "There is no such stream, or not any more, or it began with another key. What was"
            " said in a named chat is at GET /chat/messages."
        )
        super().__init__(404, "stream_not_found", text, retry=False)


@contextmanager
def as_rejects() -> Iterator[None]:
    """That the store does not answer is an answer of its own."""
    try:
        yield
    except StoreError as exc:
        raise Reject(exc.status, exc.code, exc.public, type=exc.type) from exc


def error_of(exc: GatewayError) -> Error:
    """The ending that says what was refused, or went wrong."""
    return Error(exc.status, exc.type, exc.code, exc.public)


def interrupted() -> Error:
    """The ending of a stream that its owner has stopped."""
    return Error(499, "invalid_request_error", INTERRUPTED, "The answer was interrupted.")


def stopped() -> Error:
    """The ending of a stream that the gateway could not wait for when it stopped."""
    text = "The gateway stopped before the answer's end."
    return Error(503, "server_error", "gateway_stopping", text)


def lost() -> Reject:
    """The stream's process was killed: what it had logged is all there is."""
    text = "The gateway that ran this answer stopped before its end."
    return Reject(502, LOST, text, retry=False)


def gone() -> Reject:
    """The stream was too large to be kept whole, and this is about its start."""
    text = "This part of the answer is not kept any more: it was too large to be kept whole."
    return Reject(410, "stream_truncated", text, retry=False)


def not_stopped() -> Reject:
    """The process that writes a stream was told to stop it, and has not."""
    text = "The stream did not stop in time. It may do so yet."
    return Reject(504, "stream_not_stopped", text)


def not_so_far() -> Reject:
    """Somebody wants to go on behind an event that has not been."""
    text = "The stream has not come so far: there is no event with this number."
    return Reject(400, "stream_position", text, retry=False)


def state_of(ending: Finish | Error | None) -> State:
    """How a stream stands that has ended so, or not yet."""
    if ending is None:
        return "running"
    if isinstance(ending, Finish):
        return "finished"
    return "cancelled" if ending.code in CANCELLED else "failed"
