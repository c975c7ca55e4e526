"""The answer to calls that wait for a client: is it one, and what does it say?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from gateway.testing.fakeletta import failures
from gateway.testing.fakeletta.history import Returned, Stored, ToolCall, plain


KEEP_ALIVE = (
    "<system-alert>Automated keep-alive ping. Ignore this message and continue from where "
    "you stopped.</system-alert>"
)
ON_CANCEL = "The user cancelled the request, so the tool call was denied."

_RECENT = 10
_LONGEST = 24_000


@attrs.frozen
class Answer:
    """What a client says to the calls that are pending."""

    request: Stored
    approvals: tuple[Mapping[str, Any], ...]
    results: tuple[Returned, ...]
    """What the client's tools gave back, then the denials."""
    run: tuple[ToolCall, ...]
    """The calls that Letta runs now: those approved, and those that waited with them."""


def is_answer(message: Mapping[str, Any]) -> bool:
    """Whether an input message is about pending calls."""
    return message.get("type") in {"tool_return", "approval"}


def read(window: Sequence[Stored], message: Mapping[str, Any]) -> Answer | None:
    """
    The answer in `message` to what is pending; None if it was already given.

    Raises:
        Failure: Nothing is pending, or other calls are.
    """
    given = _given(message)
    request = window[-1]
    if request.kind != "request":
        if _known(window, given):
            return None
        raise failures.refused(failures.NOTHING_PENDING)
    expected, received = [call.id for call in request.calls], [_call_of(each) for each in given]
    if received == [request.id]:
        given = tuple({**given[0], "tool_call_id": call} for call in expected)
    elif set(expected) != set(received):
        raise failures.wrong_calls(expected, received)
    return _answer(window, request, given)


def deny(window: Sequence[Stored]) -> tuple[Stored, Stored]:
    """The response and the results that a cancelled request gets."""
    request = window[-1]
    calls = (*request.calls, *_waiting(window, request))
    approvals = tuple(
        {"type": "approval", "tool_call_id": call.id, "approve": False, "reason": ON_CANCEL}
        for call in request.calls
    )
    results = tuple(denied(call.id, ON_CANCEL) for call in calls)
    step_id, run_id = request.step_id, request.run_id
    return (
        Stored(kind="response", approvals=approvals, run_id=run_id),
        Stored(kind="tool", returns=results, step_id=step_id, run_id=run_id),
    )


def denied(call_id: str, reason: str | None) -> Returned:
    """The result of a call that was not allowed."""
    text = f"Error: request to call tool denied. User reason: {reason}"
    return Returned(call_id, text, ok=False)


def _given(message: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    if message["type"] == "tool_return":
        return tuple({**each, "type": "tool"} for each in message.get("tool_returns") or ())
    if approvals := message.get("approvals"):
        return tuple(approvals)
    # The form of older servers names the request, not its calls.
    return (
        {
            "type": "approval",
            "tool_call_id": message.get("approval_request_id"),
            "approve": message.get("approve"),
            "reason": message.get("reason"),
        },
    )


def _answer(
    window: Sequence[Stored], request: Stored, given: tuple[Mapping[str, Any], ...]
) -> Answer:
    approved = {_call_of(each) for each in given if each.get("approve")}
    run = [call for call in request.calls if call.id in approved]
    results = [_result(each) for each in given if each["type"] == "tool"]
    denials = [each for each in given if each["type"] == "approval" and not each.get("approve")]
    return Answer(
        request,
        tuple(_written(each) for each in given),
        (*results, *(denied(_call_of(each), each.get("reason")) for each in denials)),
        (*run, *_waiting(window, request)),
    )


def _waiting(window: Sequence[Stored], request: Stored) -> Iterator[ToolCall]:
    """Calls of the same step that need no approval: they run only now."""
    before = window[-2] if len(window) > 1 else request
    if before.kind == "assistant" and before.step_id == request.step_id:
        yield from before.calls


def _known(window: Sequence[Stored], given: Sequence[Mapping[str, Any]]) -> bool:
    ids = {_call_of(each) for each in given}
    recent = (message for message in window[-_RECENT:] if message.kind == "tool")
    return any({each.call_id for each in message.returns} == ids for message in recent)


def _call_of(given: Mapping[str, Any]) -> str:
    return str(given.get("tool_call_id"))


def _result(given: Mapping[str, Any]) -> Returned:
    return Returned(
        _call_of(given),
        _capped(plain(given.get("tool_return"))),
        given.get("status") != "error",
        given.get("stdout"),
        given.get("stderr"),
    )


def _capped(text: str) -> str:
    rest = len(text) - _LONGEST
    return f"{text[:_LONGEST]}... [truncated {rest} chars]" if rest > 0 else text


def _written(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["type"] == "tool":
        return _result(given).json
    return {
        "type": "approval",
        "tool_call_id": _call_of(given),
        "approve": bool(given.get("approve")),
        "reason": given.get("reason"),
    }
