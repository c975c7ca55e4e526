from __future__ import annotations

import pytest

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
from gateway.surfaces.native.shown import THINKING, Showing, text_of


TOOL = [
    ToolCallStart("c1", "search"),
    ToolArgsDelta("c1", '{"q":'),
    ToolArgsDelta("c1", '"x"}'),
    ToolResult("c1", "3 rows", ok=False),
]


def shown(*events: Event, **manner: bool) -> list:
    showing = Showing(**manner)
    return [each for event in events if (each := showing.feed(event)) is not None]


def test_text():
    """Text is shown in messages, with a blank line between two of the agent's."""
    assert shown(TextDelta("a", "m1"), TextDelta("b", "m1"), TextDelta("c", "m2")) == [
        {"type": "message", "content": "a"},
        {"type": "message", "content": "b"},
        {"type": "message", "content": "\n\nc"},
    ]


def test_reasoning():
    """Reasoning is a status that carries it."""
    assert shown(ReasoningDelta("Let me", "m1"), ReasoningDelta(" see", "m1")) == [
        {"type": "status", "content": THINKING, "reasoning": "Let me"},
        {"type": "status", "content": THINKING, "reasoning": " see"},
    ]


@pytest.mark.parametrize(
    ("event", "manner"),
    [
        (ReasoningDelta("Let me", "m1"), {"thinking": False}),
        (ReasoningDelta("q83jf", "m1", hidden=True), {}),
        (Ping(), {"full": True}),
        (Usage(1, 2), {}),
        (Status(""), {}),
    ],
)
def test_not_shown(event, manner):
    """What is not wanted, or says nothing, is not shown."""
    assert shown(event, **manner) == []


def test_a_tool():
    """A tool is a status, no more."""
    assert shown(*TOOL) == [{"type": "status", "content": "Using search..."}]


def test_a_tool_in_full():
    """In full, what goes into it and what comes out is shown, too."""
    assert shown(*TOOL, full=True) == [
        {
            "type": "status",
            "content": "Using search...",
            "tool_call": {"id": "c1", "name": "search"},
        },
        {"type": "tool_arguments", "id": "c1", "delta": '{"q":'},
        {"type": "tool_arguments", "id": "c1", "delta": '"x"}'},
        {
            "type": "tool_result",
            "id": "c1",
            "name": "search",
            "arguments": '{"q":"x"}',
            "output": "3 rows",
            "ok": False,
        },
    ]


def test_a_tool_of_the_client():
    """In full, a call that waits for the client says so."""
    (status,) = shown(ToolCallStart("c1", "search", client_side=True), full=True)
    assert status["tool_call"] == {"id": "c1", "name": "search", "client_side": True}


def test_a_status_of_a_plugin():
    """A plugin's status is shown, unless it is what is shown already."""
    told = shown(TOOL[0], Status("Using search…"), Status("Used search", done=True))
    assert told == [
        {"type": "status", "content": "Using search..."},
        {"type": "status", "content": "Used search"},
    ]
    assert shown(Status("Used search", done=True), full=True)[0]["done"] is True


def test_usage_in_full():
    """In full, tokens are told."""
    (usage,) = shown(Usage(7, 3, reasoning=2), full=True)
    assert (usage["type"], usage["total_tokens"]) == ("usage", 10)
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 2}


@pytest.mark.parametrize(
    ("ending", "basic", "more"),
    [
        (Finish(), {"type": "done"}, {"finish_reason": "stop"}),
        (Finish("length"), {"type": "done", "finish_reason": "length"}, {}),
        (
            Error(429, "rate_limit_error", "rate_limit_exceeded", "Enough."),
            {"type": "error", "message": "Enough."},
            {"code": "rate_limit_exceeded", "status": 429},
        ),
        (
            Error(499, "invalid_request_error", "interrupted", "Interrupted."),
            {"type": "interrupted"},
            {"code": "interrupted", "status": 499},
        ),
        (
            Error(409, "invalid_request_error", "run_cancelled", "Cancelled."),
            {"type": "interrupted"},
            {"code": "run_cancelled", "status": 409},
        ),
    ],
)
def test_endings(ending, basic, more):
    """An answer is done, has failed or was interrupted."""
    assert shown(ending) == [basic]
    assert shown(ending, full=True) == [basic | more]


def test_the_whole_text():
    """The whole answer is the text alone."""
    events = [ReasoningDelta("r", "m0"), TextDelta("a", "m1"), *TOOL, TextDelta("b", "m2")]
    assert text_of([*events, Finish()]) == "a\n\nb"
