"""Events as the deltas of a chat completion."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Reply
from gateway.events import (
    Event,
    Finish,
    FinishReason,
    Ping,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.surfaces.deltas import (
    Delta,
    Deltas,
    Paragraphs,
    Said,
    Whole,
    as_dict,
    finish_of,
)


TEXTS = st.lists(st.text("ab\n", min_size=1, max_size=6), min_size=1, max_size=4)


def deltas(events: Iterable[Event], reply: Reply | None = None) -> list[Delta]:
    return [as_dict(delta) for delta in fed(events, reply)]


def fed(events: Iterable[Event], reply: Reply | None = None) -> list[Said | Delta]:
    encoder = Deltas(reply or Reply())
    return [delta for event in events if (delta := encoder.feed(event)) is not None]


def whole(events: Iterable[Event], reply: Reply | None = None) -> dict[str, Any]:
    message = Whole()
    for delta in fed(events, reply):
        message.add(delta)
    return message.message


def joined(texts: Sequence[str]) -> str:
    paragraphs = Paragraphs()
    return "".join(paragraphs.join(text, str(i)) for i, text in enumerate(texts))


def test_two_messages_are_parted_by_a_blank_line() -> None:
    """Where the text has no blank line between two messages, one is put there."""
    assert joined(["one", "two"]) == "one\n\ntwo"


def test_newlines_that_are_there_count() -> None:
    """What is missing to a blank line is added, and no more."""
    assert joined(["one\n", "two"]) == "one\n\ntwo"
    assert joined(["one", "\ntwo"]) == "one\n\ntwo"
    assert joined(["one\n", "\ntwo"]) == "one\n\ntwo"
    assert joined(["one\n\n\n", "\ntwo"]) == "one\n\n\n\ntwo"


def test_nothing_is_put_before_the_first_message() -> None:
    """The first message begins as it begins."""
    assert joined(["one"]) == "one"
    assert joined(["\none"]) == "\none"


def test_a_message_of_newlines_alone_parts_two_others() -> None:
    """Newlines of a message in between count for the messages around it."""
    assert joined(["one", "\n", "two"]) == "one\n\ntwo"


@settings(deadline=None)
@given(TEXTS, st.data())
def test_cuts_do_not_show(texts: Sequence[str], data: st.DataObject) -> None:
    """However the messages' texts are cut, the same text comes out."""
    paragraphs, out = Paragraphs(), ""
    for i, text in enumerate(texts):
        places = sorted(data.draw(st.sets(st.integers(1, len(text)))))
        for a, b in itertools.pairwise([0, *places, len(text)]):
            if text[a:b]:
                out += paragraphs.join(text[a:b], str(i))
    assert out == joined(texts)


@settings(deadline=None)
@given(TEXTS)
def test_only_newlines_are_added(texts: Sequence[str]) -> None:
    """Joining changes nothing but the newlines between two messages."""
    out = joined(texts)
    assert out.replace("\n", "") == "".join(texts).replace("\n", "")
    assert out.count("\n") >= "".join(texts).count("\n")


def test_text_and_reasoning_are_joined_apart() -> None:
    """Reasoning between two pieces of a message's text puts nothing into that text."""
    events: list[Event] = [TextDelta("a", "m1"), ReasoningDelta("r", "m2"), TextDelta("b", "m1")]
    message = whole(events)
    assert message["content"] == "ab"
    assert message["reasoning_content"] == message["reasoning"] == "r"


def test_the_role_comes_once() -> None:
    """The first delta carries the role, and no other does."""
    events: list[Event] = [
        ReasoningDelta("r", "m"),
        TextDelta("a", "m"),
        TextDelta("b", "m"),
        Finish(),
    ]
    assert [delta.get("role") for delta in deltas(events)] == ["assistant", None, None]


def test_an_empty_answer_has_empty_text() -> None:
    """An answer in which nothing is said has the text "", not null."""
    assert deltas([Usage(1, 0), Finish()]) == [{"role": "assistant", "content": ""}]
    assert whole([Finish()])["content"] == ""


def test_reasoning_goes_where_the_reply_says() -> None:
    """Reasoning is in the fields that the reply names, and nowhere if it names none."""
    event = ReasoningDelta("r", "m")
    assert deltas([event], Reply(("thoughts",))) == [{"role": "assistant", "thoughts": "r"}]
    assert deltas([event], Reply(())) == []


def test_hidden_reasoning_without_text_is_not_shown() -> None:
    """Withheld reasoning says nothing, and does not count as the first delta."""
    events: list[Event] = [ReasoningDelta("", "m", hidden=True), TextDelta("a", "m")]
    assert deltas(events) == [{"role": "assistant", "content": "a"}]


def test_the_agents_own_tools_are_never_tool_calls() -> None:
    """Clients would try to run a call that Letta runs itself."""
    events: list[Event] = [
        ToolCallStart("c1", "archival_memory_search"),
        ToolArgsDelta("c1", "{}"),
        ToolResult("c1", "nothing"),
        Status("Searching…"),
        Ping(),
    ]
    assert deltas(events) == []


def test_a_call_of_the_client_has_index_id_and_name_first() -> None:
    """The first delta of a call names it, later ones carry its index and arguments."""
    events: list[Event] = [
        ToolCallStart("own", "search"),
        ToolCallStart("a", "weather", client_side=True),
        ToolArgsDelta("a", '{"city"'),
        ToolCallStart("b", "time", client_side=True),
        ToolArgsDelta("b", "{}"),
        ToolArgsDelta("own", "{}"),
        ToolArgsDelta("a", ':"Oslo"}'),
    ]
    calls = [delta["tool_calls"][0] for delta in deltas(events)]
    assert calls[0] == {
        "index": 0,
        "id": "a",
        "type": "function",
        "function": {"name": "weather", "arguments": ""},
    }
    assert calls[1] == {"index": 0, "function": {"arguments": '{"city"'}}
    assert [call["index"] for call in calls] == [0, 0, 1, 1, 0]


def test_calls_add_up() -> None:
    """A whole message has each call once, with all its arguments and without an index."""
    events: list[Event] = [
        ToolCallStart("a", "weather", client_side=True),
        ToolCallStart("b", "time", client_side=True),
        ToolArgsDelta("a", '{"x"'),
        ToolArgsDelta("b", "{}"),
        ToolArgsDelta("a", ":1}"),
        Finish("tool_calls"),
    ]
    assert whole(events) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"x":1}'},
            },
            {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
        ],
    }


def test_a_delta_that_is_a_text_is_no_dict() -> None:
    """It names its fields, and says the text once."""
    events: list[Event] = [TextDelta("a", "m"), TextDelta("b", "m"), ReasoningDelta("r", "m")]
    _, *said = fed(events)
    assert said == [(("content",), "b"), (("reasoning_content", "reasoning"), "r")]
    assert deltas(events)[1:] == [{"content": "b"}, {"reasoning_content": "r", "reasoning": "r"}]


def test_hidden_reasoning_is_not_shown() -> None:
    """What comes as the text of hidden reasoning is the provider's cipher."""
    assert Deltas(Reply()).feed(ReasoningDelta("gAAAA", "m", hidden=True)) is None


OLDER: list[Event] = [
    TextDelta("Let me see.", "m"),
    ToolCallStart("a", "weather", client_side=True),
    ToolArgsDelta("a", '{"x"'),
    ToolArgsDelta("a", ":1}"),
    Finish("tool_calls"),
]


def test_the_older_form_of_calls() -> None:
    """A function call has a name first, then its arguments, and no id."""
    assert deltas(OLDER, Reply(functions=True)) == [
        {"role": "assistant", "content": "Let me see."},
        {"function_call": {"name": "weather", "arguments": ""}},
        {"function_call": {"arguments": '{"x"'}},
        {"function_call": {"arguments": ":1}"}},
    ]


def test_the_older_form_adds_up() -> None:
    """The whole message has the function call once."""
    assert whole(OLDER, Reply(functions=True)) == {
        "role": "assistant",
        "content": "Let me see.",
        "function_call": {"name": "weather", "arguments": '{"x":1}'},
    }


@pytest.mark.parametrize("functions", [True, False])
@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_finish_reasons(functions: bool, reason: FinishReason) -> None:
    """They are OpenAI's already, but for the older form of calls."""
    called = functions and reason == "tool_calls"
    told = finish_of(Finish(reason), Reply(functions=functions))
    assert told == ("function_call" if called else reason)
