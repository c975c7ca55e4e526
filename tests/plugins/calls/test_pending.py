from __future__ import annotations

import attrs
import pytest

from gateway.call import Pending, ToolCall
from plugins.calls.pending import PendingCalls
from tests.plugins.tool_client import result


TWO = PendingCalls("ada", {"a-shown": "a", "b-shown": "b"})
ONE = PendingCalls("ada", {"a-shown": "a"})
UNNAMED = attrs.evolve(result("", "21"), tool_call_id=None, name="weather")


@pytest.mark.parametrize("calls", [TWO, PendingCalls("", {}), attrs.evolve(ONE, answering="r")])
def test_what_is_stored_can_be_read(calls: PendingCalls) -> None:
    """It is the same again."""
    assert PendingCalls.load(calls.dump()) == calls


def test_calls_that_are_awaited() -> None:
    """Letta says what it waits for; the rest is over."""
    waiting = Pending("request-1", (ToolCall("b", "weather", "{}"), ToolCall("c", "time", "{}")))
    assert TWO.awaited(waiting) == {"b-shown": "b"}
    assert TWO.awaited(Pending("", ())) == {}


def test_calls_that_are_being_answered() -> None:
    """Another request of the agent's is for other calls, though their ids are the same."""
    answering = attrs.evolve(TWO, answering="request-1")
    calls = (ToolCall("a", "weather", "{}"), ToolCall("b", "time", "{}"))
    assert answering.awaited(Pending("request-1", calls)) == TWO.shown
    assert answering.awaited(Pending("request-2", calls)) == {}


def test_results() -> None:
    """They go by Letta's ids; those of other calls are strangers."""
    mine, other = result("b-shown", "1"), result("c-shown", "2")
    assert TWO.results([mine, other]) == {"b": mine}
    assert TWO.strangers([mine, other]) == [other]


def test_a_result_without_an_id() -> None:
    """It is that of the only call."""
    assert ONE.results([UNNAMED]) == {"a": UNNAMED}
    assert ONE.strangers([UNNAMED]) == []
    assert TWO.results([UNNAMED]) == {}
    assert TWO.strangers([UNNAMED]) == [UNNAMED]
