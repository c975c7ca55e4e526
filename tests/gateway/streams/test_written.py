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
from gateway.streams.pages import Page
from gateway.streams.written import dump, dump_head, load, load_head
from tests.gateway.streams.twins import HEAD


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


def test_every_event_comes_back():
    """All kinds there are, with all their fields."""
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert load(dump(Page(7, EVENTS))) == Page(7, EVENTS)


def test_half_a_character():
    """Text that cannot be encoded loses that character, and nothing else."""
    read = load(dump(Page(1, [TextDelta("a\ud800b", "m")])))
    assert read.events == [TextDelta("a?b", "m")]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"prepared": True},
        {
            "prepared": True,
            "agent": "agent-1",
            "agent_name": "Milo",
            "agent_type": "memgpt_agent",
            "conversation": "conv-1",
        },
        {"prepared": True, "reply": Reply(("reasoning",), ("top_p",), True)},
        {"background": True, "facts": {"store": True, "metadata": {"a": "ü"}, "tools": [1, None]}},
    ],
)
def test_a_head_comes_back(more):
    """Before it is prepared, and then; with whatever a surface adds."""
    head = attrs.evolve(HEAD, **more)
    assert load_head(dump_head(head)) == head


def test_a_refusal_comes_back():
    """All that the client is told of it."""
    reject = Reject(409, "conversation_busy", "Busy.", type="t", param="p", retry=False)
    read = load(dump(Page(1, [EVENTS[-1]], refused=reject))).refused
    assert isinstance(read, Reject)
    assert vars(read) == vars(reject)
    assert str(read) == "Busy."


def test_what_is_lacking_comes_back():
    """With the events before which it is known."""
    page = Page(1, [EVENTS[0]], unmet="tool_choice")
    assert load(dump(page)) == page


def test_it_is_small():
    """A piece of text costs little more than itself."""
    written = dump(Page(12, [TextDelta("Hello", "message-1")]))
    assert written == b'[12,[["t","Hello","message-1"]]]'
