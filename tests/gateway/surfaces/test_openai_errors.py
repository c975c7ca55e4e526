"""Errors in OpenAI's shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Reject
from gateway.events import Error
from gateway.surfaces.openai_errors import from_event, from_reject, no_retry


def read(answer: web.Response) -> Any:
    assert isinstance(answer.body, bytes)
    assert answer.content_type == "application/json"
    return json.loads(answer.body)


def test_a_reject() -> None:
    """It becomes its status and the four fields, all of them always there."""
    answer = from_reject(Reject(400, "invalid_value", "'n' must be 1.", param="n"))
    assert answer.status == 400
    assert read(answer) == {
        "error": {
            "message": "'n' must be 1.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_value",
        }
    }
    assert "x-should-retry" not in answer.headers


def test_a_reject_that_must_not_be_sent_again() -> None:
    """The SDKs send 409 again by themselves, unless told not to."""
    assert (
        from_reject(Reject(409, "busy", "Busy.", retry=False)).headers["x-should-retry"] == "false"
    )
    assert "x-should-retry" not in from_reject(Reject(409, "busy", "Busy.")).headers


def test_an_error_event() -> None:
    """It has its own status; the headers of the answer stay."""
    answer = from_event(Error(429, "rate_limit_error", "slow_down", "Slow down."), {"x-a": "b"})
    assert answer.status == 429
    assert answer.headers["x-a"] == "b"
    assert answer.headers["x-should-retry"] == "false"
    error = {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": "slow_down",
    }
    assert read(answer) == {"error": error}


def test_an_error_that_letta_rolled_back() -> None:
    """Nothing was kept: the client may send the message again."""
    answer = from_event(Error(502, "server_error", "x", "X.", rolled_back=True), {})
    assert "x-should-retry" not in answer.headers


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_statuses_that_are_sent_again(status: int) -> None:
    """For each status that the SDKs retry there is a word against it."""
    assert no_retry(status) == {"x-should-retry": "false"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
def test_statuses_that_are_not(status: int) -> None:
    """Others need none."""
    assert no_retry(status) == {}


def test_a_message_that_is_no_text() -> None:
    """A message may quote a header that is no UTF-8."""
    error = read(from_reject(Reject(403, "origin_not_allowed", "Pages of \udcff.")))["error"]
    assert error["message"] == "Pages of ?."
