from __future__ import annotations

from gateway.call import Pending, ToolCall
from plugins.calls.answers import LOST, MOVED_ON, NOT_RUN, answers, denials
from tests.plugins.tool_client import result


PENDING = Pending("request-1", (ToolCall("a", "weather", "{}"), ToolCall("b", "time", "{}")))


def told(given: object) -> list[tuple[str, str, bool]]:
    return [(each.call_id, each.parts[0].text, each.ok) for each in given]  # type: ignore[attr-defined]


def test_results() -> None:
    """Each call gets the result that is its own, and a failure stays one."""
    results = {"b": result("b", "2"), "a": result("a", ValueError("no"))}
    assert told(answers(PENDING, {"a", "b"}, results)) == [("a", "no", False), ("b", "2", True)]


def test_calls_without_a_result() -> None:
    """The client did not give one, or it was never asked: the agent is told which."""
    given = answers(PENDING, {"a"}, {"b": result("b", "2")})
    assert told(given) == [("a", MOVED_ON, False), ("b", NOT_RUN, False)]


def test_denials() -> None:
    """All of them, with the same reason."""
    assert told(denials(PENDING, LOST)) == [("a", LOST, False), ("b", LOST, False)]
