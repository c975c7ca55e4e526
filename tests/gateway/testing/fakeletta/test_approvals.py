"""The answer to calls that wait for a client."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.testing.fakeletta.approvals import ON_CANCEL, deny, is_answer, read
from gateway.testing.fakeletta.failures import Failure
from gateway.testing.fakeletta.history import Stored, ToolCall


CALLS = (ToolCall("a", "one", "{}"), ToolCall("b", "two", "{}"))
REQUEST = Stored(kind="request", calls=CALLS, step_id="step-1")
WINDOW = [Stored(kind="system"), REQUEST]


def returned(*ids: str) -> dict[str, Any]:
    """A client's results for these calls."""
    results = [{"tool_call_id": each, "tool_return": "x", "status": "success"} for each in ids]
    return {"type": "tool_return", "tool_returns": results}


def approval(id: str, approve: bool) -> dict[str, Any]:
    """A client's word on one call."""
    return {"type": "approval", "tool_call_id": id, "approve": approve, "reason": "so"}


def test_results_in_any_order() -> None:
    """All pending calls are answered, in the order of the answer."""
    answer = read(WINDOW, returned("b", "a"))
    assert answer is not None
    assert [each.call_id for each in answer.results] == ["b", "a"]
    assert answer.run == ()


def test_approvals_and_denials_mixed() -> None:
    """What is approved is run; what is denied is a failure with its reason."""
    message = {"type": "approval", "approvals": [approval("a", True), approval("b", False)]}
    answer = read(WINDOW, message)
    assert answer is not None
    assert answer.run == CALLS[:1]
    assert "User reason: so" in answer.results[0].text


@pytest.mark.parametrize("ids", [("a",), ("a", "c"), ("a", "b", "c")])
def test_other_calls(ids: tuple[str, ...]) -> None:
    """An answer to other calls than the pending ones says which were expected."""
    with pytest.raises(Failure) as caught:
        read(WINDOW, returned(*ids))
    assert "Expected '['a', 'b']'" in caught.value.detail


def test_nothing_pending() -> None:
    """Without anything pending an answer is refused, unless it was given before."""
    with pytest.raises(Failure):
        read(WINDOW[:1], returned("a"))
    answer = read(WINDOW, returned("a", "b"))
    assert answer is not None
    done = [*WINDOW, Stored(kind="tool", returns=answer.results), Stored(kind="assistant")]
    assert read(done, returned("b", "a")) is None


def test_waiting_calls_run_too() -> None:
    """Calls of the same step that needed no approval run when the answer is there."""
    waiting = Stored(kind="assistant", calls=(ToolCall("w", "own", "{}"),), step_id="step-1")
    answer = read([waiting, REQUEST], returned("a", "b"))
    assert answer is not None
    assert [call.id for call in answer.run] == ["w"]


def test_the_oldest_form() -> None:
    """The form that names the request stands for all of its calls."""
    old = {"type": "approval", "approve": False, "approval_request_id": REQUEST.id}
    answer = read(WINDOW, old)
    assert answer is not None
    assert [each.call_id for each in answer.results] == ["a", "b"]


def test_long_results_are_cut() -> None:
    """A result longer than a fifth of the context is cut, and says so."""
    long = {"tool_call_id": "a", "tool_return": "x" * 30_000}
    short = {"tool_call_id": "b", "tool_return": [{"type": "text", "text": "y"}]}
    answer = read(WINDOW, {"type": "tool_return", "tool_returns": [long, short]})
    assert answer is not None
    assert answer.results[0].text.endswith("... [truncated 6000 chars]")
    assert answer.results[1].text == "y"


def test_deny() -> None:
    """Cancelling denies every pending call, in a response and a result."""
    response, results = deny(WINDOW)
    assert [each["approve"] for each in response.approvals] == [False, False]
    assert all(ON_CANCEL in each.text for each in results.returns)


def test_is_answer() -> None:
    """Only results and approvals are answers."""
    assert is_answer(returned("a"))
    assert not is_answer({"role": "user", "content": "x"})
