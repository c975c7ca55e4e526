"""What is kept of a stream beside its events."""

from __future__ import annotations

import pytest

from gateway.events import Error, Finish
from gateway.streams.kept import (
    NoStream,
    gone,
    interrupted,
    lost,
    not_so_far,
    not_stopped,
    state_of,
    stopped,
)
from tests.gateway.lane import CANCELLED, FAILED


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (None, "running"),
        (Finish(), "finished"),
        (Finish("length"), "finished"),
        (interrupted(), "cancelled"),
        (CANCELLED, "cancelled"),
        (FAILED, "failed"),
        (stopped(), "failed"),
        (Error(429, "rate_limit_error", "rate_limit_exceeded", "Too much."), "failed"),
    ],
)
def test_states(ending, state):
    """What somebody wanted is not a failure."""
    assert state_of(ending) == state


@pytest.mark.parametrize(
    ("reject", "status", "code", "retry"),
    [
        (NoStream(), 404, "stream_not_found", False),
        (lost(), 502, "stream_lost", False),
        (gone(), 410, "stream_truncated", False),
        (not_so_far(), 400, "stream_position", False),
        (not_stopped(), 504, "stream_not_stopped", True),
    ],
)
def test_refusals(reject, status, code, retry):
    """Each has a code for programs, and says whether it helps to try again."""
    assert (reject.status, reject.code, reject.retry) == (status, code, retry)
