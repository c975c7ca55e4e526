from __future__ import annotations

import attrs
import pytest

from gateway.call import Message, Text
from gateway.errors import Reject
from plugins.conversations.refusals import (
    refuse_busy,
    refuse_part,
    refuse_results,
    refuse_silence,
    said_of,
)
from tests.plugins.client import assistant, system, user
from tests.plugins.tool_client import result


def test_what_is_said() -> None:
    """There must be something of the user's in it."""
    assert said_of([system("s"), user("u")]) == (system("s"), user("u"))
    for silence in (
        [],
        [system("s")],
        [assistant("a")],
        [user("")],
        [Message("user", (Text(""),))],
    ):
        with pytest.raises(Reject) as caught:
            said_of(silence)
        assert (caught.value.status, caught.value.code) == (400, "missing_user_message")


def test_each_names_its_field() -> None:
    """An SDK shows which part of the request is at fault."""
    with pytest.raises(Reject) as caught:
        refuse_silence()
    assert caught.value.param == "messages"


def test_results_that_nobody_waits_for() -> None:
    """They are named by their calls, or by the function."""
    older = attrs.evolve(result("", "1"), tool_call_id=None, name="weather")
    nameless = attrs.evolve(older, name=None)
    with pytest.raises(Reject, match=r"result of call-1, weather, \?: it was answered") as caught:
        refuse_results([result("call-1", "1"), older, nameless])
    assert (caught.value.code, caught.value.retry) == ("tool_call_not_pending", False)


def test_results_that_are_missing() -> None:
    """They are named."""
    with pytest.raises(Reject, match=r"missing: a, b\.") as caught:
        refuse_part(["a", "b"])
    assert (caught.value.code, caught.value.retry) == ("tool_results_missing", False)


def test_busy() -> None:
    """It is not to be tried again by itself: the queue has been waited in."""
    with pytest.raises(Reject) as caught:
        refuse_busy()
    assert (caught.value.status, caught.value.code) == (409, "conversation_busy")
    assert not caught.value.retry
