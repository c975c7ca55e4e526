"""What is written is what is read."""

from __future__ import annotations

from typing import get_args

import attrs
import pytest

from gateway.call import Reply
from gateway.errors import Reject
from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.once.written import Head, Unmet, dump, ending_of, load


EVENTS: list[Event] = [
    TextDelta('naïve "日本語" \\n \n \0 👩‍👩‍👧', "message-1"),
    ReasoningDelta("so", "message-1"),
    ReasoningDelta("", "message-1", hidden=True),
    ToolCallStart("call_1", "get_weather", client_side=True),
    ToolArgsDelta("call_1", '{"a": 1}'),
    ToolResult("call_2", "x" * 1000, ok=False),
    Status("Thinking…"),
    Status("", done=True),
    Ping(),
    Usage(3, 2, None, 1, 4),
    Finish("tool_calls"),
    Error(502, "server_error", "upstream_error", "It failed.", rolled_back=True),
]
HEAD = Head("r", 1_800_000_000, "agent-1", "Milo", Reply(("reasoning",), ("top_p",), True))


def test_every_event_comes_back():
    """All kinds there are, with all their fields."""
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert load(dump(EVENTS)) == EVENTS


def test_half_a_character():
    """Text that cannot be encoded loses that character, and nothing else."""
    assert load(dump([TextDelta("a\ud800b", "m")])) == [TextDelta("a?b", "m")]


@pytest.mark.parametrize("agent", [("agent-1", "Milo"), (None, None)])
def test_a_head_comes_back(agent):
    """With or without an agent; what can be compared stays so."""
    head = attrs.evolve(HEAD, agent=agent[0], agent_name=agent[1])
    read = load(dump(head))
    assert read == head
    assert hash(read) == hash(head)


def test_a_refusal_comes_back():
    """All that the client is told of it."""
    reject = Reject(409, "conversation_busy", "Busy.", type="t", param="p", retry=False)
    read = load(dump(reject))
    assert isinstance(read, Reject)
    assert vars(read) == vars(reject)
    assert str(read) == "Busy."


def test_what_is_lacking_comes_back():
    """It says only that."""
    assert load(dump(Unmet("tool_choice"))) == Unmet("tool_choice")


def test_endings():
    """The last event of a batch, or a refusal."""
    assert ending_of([TextDelta("a", "m"), Finish()]) == Finish()
    assert ending_of([EVENTS[-1]]) == EVENTS[-1]
    reject = Reject(400, "x", "x")
    assert ending_of(reject) is reject
    for item in ([TextDelta("a", "m")], [], HEAD, Unmet("tool_choice")):
        assert ending_of(item) is None


def test_it_is_small():
    """A piece of text costs little more than itself."""
    assert dump([TextDelta("Hello", "message-1")]) == b'[["t","Hello","message-1"]]'
