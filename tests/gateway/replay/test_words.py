from __future__ import annotations

import json

import pytest

from gateway.call import Reply
from gateway.events import (
    EVENTS,
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
from gateway.replay.recording import Block
from gateway.replay.words import of_block, of_event, of_events, of_wire, quoted
from gateway.surfaces.chat_chunks import Chunks


SHOWN = [
    (TextDelta("a\nb", "m"), r"text 'a\nb'"),
    (ReasoningDelta("so", "m"), "reasoning 'so'"),
    (ReasoningDelta("x", "m", hidden=True), "reasoning (hidden)"),
    (ToolCallStart("call_1", "look_up"), "call call_1 look_up"),
    (ToolCallStart("call_123456", "add", client_side=True), "call …123456 add (the client's)"),
    (ToolArgsDelta("call_1", '{"a'), "arguments call_1 '{\"a'"),
    (ToolResult("call_1", "21"), "result call_1 '21'"),
    (ToolResult("call_1", "no", ok=False), "result call_1 (failed) 'no'"),
    (Status("Thinking…"), "status 'Thinking…'"),
    (Status("", done=True), "status (done) ''"),
    (Usage(3, 2), "usage 3 + 2"),
    (Finish("length"), "finish length"),
    (Error(429, "t", "busy", "m"), "error 429 busy"),
    (Ping(), "ping"),
]


@pytest.mark.parametrize(("event", "expected"), SHOWN)
def test_events(event, expected):
    """Every event in a few words."""
    assert of_event(event) == expected


def test_all_events():
    """None is left out."""
    assert {type(event) for event, _ in SHOWN} == EVENTS
    assert of_events([Ping(), Finish()]) == "ping\nfinish stop"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", r"'a\nb'"),
        ("a\\nb", r"'a\\nb'"),
        ('"q"', "'\"q\"'"),
        ("日本", "'日本'"),
        ("\u2028\x1b", r"'\u2028\u001b'"),
    ],
)
def test_quoted(text, expected):
    """A line break, and a backslash with an n in its place, can be told apart."""
    assert quoted(text) == expected


def test_long_texts():
    """They are shown by how they begin and end."""
    shown = quoted("a" * 500 + "b" * 500)
    assert shown == f"'{'a' * 80}' … '{'b' * 80}' (1000 characters)"


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"message_type": "ping"}, "ping"),
        ({"message_type": "assistant_message", "content": "Hi"}, "assistant 'Hi'"),
        ({"message_type": "reasoning_message", "reasoning": "so"}, "reasoning 'so'"),
        ({"message_type": "stop_reason", "stop_reason": "end_turn"}, "stop_reason end_turn"),
        (
            {"message_type": "usage_statistics", "prompt_tokens": 3, "completion_tokens": 2},
            "usage_statistics 3 + 2",
        ),
        ({"message_type": "error_message", "error_type": "llm_error"}, "error llm_error"),
        (
            {"message_type": "tool_call_message", "tool_call": {"name": "f", "arguments": "{}"}},
            "tool_call f '{}'",
        ),
        (
            {"message_type": "tool_return_message", "tool_return": "21"},
            "tool_return '21'",
        ),
        ({}, "?"),
    ],
)
def test_frames(frame, expected):
    """What Letta sent, by its type and what it says."""
    assert of_block(Block(json.dumps(frame).encode(), frame)) == expected


def test_other_blocks():
    """The end, and what is no frame."""
    assert of_block(Block(b"", done=True)) == "[DONE]"
    assert of_block(Block(b": comment")) == "(no frame)"
    assert of_block(None) == "(the stream ends)"


def test_chunks():
    """Of what a client is sent, only what is its own."""
    chunks = Chunks("id", "Milo", Reply(), include_usage=True)
    batch = [
        ReasoningDelta("so", "m"),
        TextDelta("Hi", "m"),
        ToolCallStart("call_1", "add", client_side=True),
        ToolArgsDelta("call_1", "{}"),
        Usage(3, 2),
        Finish("tool_calls"),
    ]

    assert of_wire(chunks.encode(batch)).splitlines() == [
        "reasoning_content, reasoning 'so'",
        "content 'Hi'",
        "tool_calls[0] call_1 add",
        "tool_calls[0] '{}'",
        "finish_reason tool_calls",
        "usage 3 + 2",
        "[DONE]",
    ]


def test_older_calls():
    """Calls of functions, as OpenAI had them first."""
    chunks = Chunks("id", "Milo", Reply(functions=True))
    batch = [ToolCallStart("c", "add", client_side=True), ToolArgsDelta("c", "{}")]

    assert of_wire(chunks.encode(batch)) == "function_call add\nfunction_call '{}'"


def test_errors():
    """By their code."""
    chunks = Chunks("id", "Milo", Reply())
    assert of_wire(chunks.encode([Error(502, "t", "broken", "m")])) == "error broken\n[DONE]"


def test_frames_of_open_webui():
    """What is no chunk of OpenAI's is shown as it is."""
    assert of_wire(b'data: {"event":{"type":"status"}}\n\n') == '{"event":{"type":"status"}}'
