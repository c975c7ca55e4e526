"""Messages as Letta writes them, beyond what was recorded."""

from __future__ import annotations

import json

from gateway.testing.fakeletta.frames import encode, shown
from gateway.testing.fakeletta.history import Returned, Stored, ToolCall


def test_encode() -> None:
    """An event is one line of compact JSON, characters as they are, named if it is an error."""
    assert encode({"a": "é\u2028", "b": [1]}) == 'data: {"a":"é\u2028","b":[1]}\n\n'.encode()
    assert encode({}, "error") == b"event: error\ndata: {}\n\n"


def test_parts_of_a_message() -> None:
    """Thoughts, text and calls of a message share its id and count their otid up."""
    calls = (ToolCall("c", "look", "{}"),)
    parts = shown(Stored(kind="assistant", reason="hm", text="so", calls=calls))
    assert len({part["id"] for part in parts}) == 1
    assert [int(part["otid"][-2:], 16) & 0x7F for part in parts] == [0, 1, 2]


def test_request() -> None:
    """A request's otid is its own id, and its first call stands beside all of them."""
    calls = (ToolCall("a", "x", "{}"), ToolCall("b", "y", "{}"))
    (request,) = shown(Stored(kind="request", calls=calls))
    assert request["otid"] == request["id"]
    assert request["tool_call"] == request["tool_calls"][0]


def test_results_of_several() -> None:
    """With several results the name and the value on top may be of different calls."""
    returns = (Returned("a", "client's"), Returned("b", "own", name="look"))
    (result,) = shown(Stored(kind="tool", returns=returns))
    assert (result["name"], result["tool_return"], len(result["tool_returns"])) == (
        "look",
        "client's",
        2,
    )


def test_response() -> None:
    """A response repeats its first denial or approval on top."""
    approvals = (
        {"type": "tool", "tool_call_id": "a"},
        {"type": "approval", "tool_call_id": "b", "approve": False, "reason": "no"},
    )
    (response,) = shown(Stored(kind="response", approvals=approvals))
    assert (response["approve"], response["approval_request_id"]) == (False, "b")


def test_user_message_with_parts() -> None:
    """A user's message keeps its parts and its own otid."""
    content = [{"type": "text", "text": "x"}]
    (message,) = shown(Stored(kind="user", content=content, otid="mine"))
    assert (message["message_type"], message["content"], message["otid"]) == (
        "user_message",
        content,
        "mine",
    )
    assert json.dumps(message)


def test_hidden() -> None:
    """What Letta keeps to itself is not shown; withheld reasoning is, without text."""
    assert shown(Stored(kind="tool", returns=(Returned("a", "x"),), shown=False)) == []
    (hidden,) = shown(Stored(kind="assistant", hidden=True))
    assert (hidden["message_type"], hidden["state"]) == ("hidden_reasoning_message", "omitted")
