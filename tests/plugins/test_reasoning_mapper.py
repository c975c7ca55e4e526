from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from gateway.call import Call
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
from gateway.testing.kit import assert_grammar, assert_split_invariant, context, fed, merged, run
from gateway.testing.recordings import Recording
from plugins.reasoning_mapper import HIDDEN_NOTE, Config, ReasoningMapper
from tests.gateway.letta.decoding import STREAMS, events_of


MODES: Sequence[Config] = [
    Config(into=into, hidden=hidden)
    for into in (["reasoning_content", "reasoning"], ["think"], [])
    for hidden in ("drop", "note")
]
USAGE, FINISH = Usage(1, 1), Finish()


async def mapped(config: Config, *events: Event) -> list[Event]:
    out = await run(ReasoningMapper(config), events)
    if isinstance(out[-1], Finish | Error):
        assert_grammar(out)
    return merged(out)


def shown(events: Sequence[Event]) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    "into",
    [["reasoning_content"], ["reasoning"], ["reasoning_content", "reasoning"], ["think"], []],
)
async def test_fields_of_the_reply(into: list[str]) -> None:
    """The encoder is told which fields carry reasoning; with tags, or none, no field does."""
    turn = ReasoningMapper(Config(into=into)).begin(context())
    call = await turn.prepare(Call("Milo", ()))
    assert list(call.reply.reasoning) == [field for field in into if field != "think"]


def test_think_stands_alone() -> None:
    """Tags and fields together are refused: reasoning would be shown twice."""
    with pytest.raises(ValueError, match="stands alone"):
        Config(into=["think", "reasoning"])


async def test_fields_pass_reasoning_on() -> None:
    """For fields, reasoning stays where it is, the same object."""
    reason, text = ReasoningDelta("hm", "m"), TextDelta("Hi", "m")
    out = await run(ReasoningMapper(Config()), [reason, text, FINISH])
    assert out == [reason, text, FINISH]
    assert out[0] is reason
    assert out[1] is text


async def test_dropped() -> None:
    """With no field at all, reasoning is dropped and all else stays."""
    out = await mapped(
        Config(into=[]), ReasoningDelta("hm", "m"), TextDelta("Hi", "m"), USAGE, FINISH
    )
    assert out == [TextDelta("Hi", "m"), USAGE, FINISH]


async def test_tags() -> None:
    """Reasoning stands between tags, and a blank line before the text."""
    out = await mapped(
        Config(into=["think"]),
        ReasoningDelta("First ", "m"),
        ReasoningDelta("this.", "m"),
        TextDelta("Hi", "m"),
        FINISH,
    )
    assert shown(out) == "<think>First this.</think>\n\nHi"


async def test_tags_keep_the_order() -> None:
    """Reasoning that comes after text opens a new pair of tags there."""
    out = await mapped(
        Config(into=["think"]),
        ReasoningDelta("A", "m1"),
        TextDelta("one", "m1"),
        ReasoningDelta("B", "m2"),
        TextDelta("two", "m2"),
        FINISH,
    )
    assert out == [
        TextDelta("<think>A</think>\n\none", "m1"),
        TextDelta("<think>B</think>\n\ntwo", "m2"),
        FINISH,
    ]


async def test_tags_are_closed_before_tools() -> None:
    """A tool call, its arguments and its result never stand inside the tags."""
    tools: list[Event] = [
        ToolCallStart("c", "f"),
        ToolArgsDelta("c", "{}"),
        ToolResult("c", "x"),
    ]
    out = await mapped(
        Config(into=["think"]),
        ReasoningDelta("A", "m1"),
        *tools,
        ReasoningDelta("B", "m2"),
        FINISH,
    )
    assert out == [
        TextDelta("<think>A</think>\n\n", "m1"),
        *tools,
        TextDelta("<think>B</think>", "m2"),
        FINISH,
    ]


async def test_status_and_pings_leave_the_tags_open() -> None:
    """What is no part of the answer goes through open tags."""
    status = Status("Thinking…")
    out = await mapped(
        Config(into=["think"]),
        ReasoningDelta("A", "m"),
        Ping(),
        status,
        ReasoningDelta("B", "m"),
        FINISH,
    )
    assert [event for event in out if not isinstance(event, TextDelta)] == [Ping(), status, FINISH]
    assert shown(out) == "<think>AB</think>"


@pytest.mark.parametrize("end", [FINISH, Error(502, "server_error", "upstream_error", "No.")])
async def test_tags_are_closed_at_the_end(end: Event) -> None:
    """Tags that are open at the end, a failure's too, are closed before the usage and it."""
    out = await mapped(Config(into=["think"]), ReasoningDelta("A", "m"), USAGE, end)
    assert out == [TextDelta("<think>A</think>", "m"), USAGE, end]


@pytest.mark.parametrize("into", [["reasoning"], ["think"]])
async def test_hidden_reasoning_is_dropped(into: list[str]) -> None:
    """Reasoning that the provider withholds leaves no trace, not even its cipher."""
    out = await mapped(
        Config(into=into),
        ReasoningDelta("", "m", hidden=True),
        ReasoningDelta("gAAAAB==", "m", hidden=True),
        TextDelta("Hi", "m"),
        FINISH,
    )
    assert out == [TextDelta("Hi", "m"), FINISH]


async def test_hidden_reasoning_is_noted() -> None:
    """If wanted a note says that there is reasoning: once a message, instead of any cipher."""
    config = Config(into=["reasoning"], hidden="note")
    hidden = [ReasoningDelta(text, m, hidden=True) for m in ("m1", "m2") for text in ("", "gA==")]
    out = await mapped(config, *hidden, FINISH)
    notes = [ReasoningDelta(HIDDEN_NOTE, message) for message in ("m1", "m2")]
    assert out == [*notes, FINISH]


async def test_hidden_reasoning_is_noted_between_tags() -> None:
    """A note in the text stands between tags like other reasoning."""
    out = await mapped(
        Config(into=["think"], hidden="note"),
        ReasoningDelta("", "m", hidden=True),
        TextDelta("Hi", "m"),
        FINISH,
    )
    assert shown(out) == f"<think>{HIDDEN_NOTE}</think>\n\nHi"


async def test_nothing_is_noted_where_reasoning_is_dropped() -> None:
    """With no field at all there is no place for the note either."""
    out = await mapped(Config(into=[], hidden="note"), ReasoningDelta("", "m", hidden=True), FINISH)
    assert out == [FINISH]


def test_turns_do_not_share_anything() -> None:
    """Two answers at once do not see each other's open tags."""
    plugin = ReasoningMapper(Config(into=["think"]))
    first, second = plugin.begin(context()), plugin.begin(context())
    assert shown(fed(first, [ReasoningDelta("A", "m")])) == "<think>A</think>"
    assert shown(fed(second, [TextDelta("Hi", "m")])) == "Hi"


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
async def test_recordings(recording: Recording) -> None:
    """Every recorded answer keeps its grammar, its texts and its order, however it is cut."""
    events = events_of(recording)
    whole = merged(events)
    for config in MODES:
        out = await run(ReasoningMapper(config), events)
        assert_grammar(out)
        assert merged(out) == merged(await run(ReasoningMapper(config), whole))
        await assert_split_invariant(partial(ReasoningMapper, config), whole)
        if "think" not in config.into:
            assert without_reasoning(out) == without_reasoning(events)


def without_reasoning(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, ReasoningDelta)]
