from __future__ import annotations

import pytest

from gateway.events import (
    Error,
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
from gateway.grammar import Grammar, GrammarError


TEXT = TextDelta("Hi", "m")
ERROR = Error(500, "server_error", "x", "x")


def read(*events: object) -> None:
    grammar = Grammar()
    for event in events:
        grammar.feed(event)  # type: ignore[arg-type]
    grammar.end()


@pytest.mark.parametrize(
    "events",
    [
        [Finish()],
        [ERROR],
        [TEXT, Finish()],
        [Ping(), ReasoningDelta("Hm", "m"), TEXT, Status("Working…"), Usage(1, 1), Finish()],
        [TEXT, Usage(1, 1), ERROR],
        [Usage(1, 1), Ping(), Finish()],
        [ToolCallStart("c", "f"), ToolArgsDelta("c", "{}"), ToolResult("c", ""), Finish()],
        [ToolCallStart("a", "f"), ToolCallStart("b", "f"), ToolArgsDelta("a", "{}"), Finish()],
        [ReasoningDelta("", "m", hidden=True), Finish()],
    ],
)
def test_right(events):
    """What an answer may be."""
    read(*events)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "no Finish and no Error"),
        ([TEXT], "no Finish and no Error"),
        ([TEXT, Usage(1, 1)], "no Finish and no Error"),
        ([Finish(), Finish()], "after the ending"),
        ([Finish(), Ping()], "after the ending"),
        ([ERROR, TEXT], "after the ending"),
        ([Usage(1, 1), TEXT, Finish()], "after Usage"),
        ([Usage(1, 1), Usage(1, 1), Finish()], "after Usage"),
        ([TextDelta("", "m"), Finish()], "empty text"),
        ([ReasoningDelta("", "m"), Finish()], "empty text"),
        ([ToolArgsDelta("c", "{}"), Finish()], "not announced"),
        ([ToolResult("c", ""), Finish()], "not announced"),
        ([ToolCallStart("c", "f"), ToolCallStart("c", "f"), Finish()], "twice"),
        ([ToolCallStart("c", "f"), ToolResult("c", ""), ToolResult("c", ""), Finish()], "twice"),
    ],
)
def test_wrong(events, why):
    """What it may not be, and why."""
    with pytest.raises(GrammarError, match=why):
        read(*events)
