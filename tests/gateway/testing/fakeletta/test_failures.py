"""How failures are told."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta import failures


@pytest.mark.parametrize(
    ("status", "type", "http"),
    [
        (400, "llm_error", "llm_bad_request"),
        (401, "llm_authentication", "llm_authentication"),
        (429, "llm_rate_limit", "llm_rate_limit"),
        (503, "llm_error", "llm_error"),
    ],
)
def test_model_status(status: int, type: str, http: str) -> None:
    """A model's status has a type in streams and another in answers."""
    failure = failures.model_status(status, "", None)
    assert (failure.type, failure.body["error"]["type"]) == (type, http)
    assert f"Error code: {status}" in failure.detail


def test_raw() -> None:
    """Unclassified, only the detail tells the model's status."""
    failure = failures.raw(failures.model_status(429, "slow down", None))
    assert failure.type == "internal_error"
    assert failure.detail.startswith("Error code: 429")
    assert failures.raw(failures.model(failures.NO_CONNECTION)).detail == "Connection error."


def test_pending() -> None:
    """A pending call is a conflict that names the request."""
    failure = failures.pending("message-1")
    assert failure.status == 409
    assert failure.body["detail"]["pending_request_id"] == "message-1"


def test_before() -> None:
    """An older agent whose model only talks says so before the error."""
    assert failures.no_tool_call().before == "no_tool_call"
    assert failures.empty("m").stop == "invalid_llm_response"
    assert failures.broken("x").broken
