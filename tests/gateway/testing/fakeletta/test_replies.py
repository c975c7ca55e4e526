"""Answers that are no streams."""

from __future__ import annotations

import json

from gateway.testing.fakeletta import replies


def test_answer() -> None:
    """JSON is compact, and characters stay as they are."""
    assert replies.answer({"a": "é"}, 201).text == '{"a":"é"}'


def test_refusals() -> None:
    """A refusal carries its status and a detail, as Letta's do."""
    refusal = replies.refuse(409, "busy", run_id="run-1")
    assert refusal.status == 409
    assert json.loads(refusal.text or "") == {"detail": "busy", "run_id": "run-1"}
    assert (replies.no_agent("agent-1").status, replies.invalid("a.b", "c").status) == (404, 422)
    assert "actor" in (replies.not_found("Run", "run-1").text or "")
