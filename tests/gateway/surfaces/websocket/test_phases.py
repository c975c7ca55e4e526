from __future__ import annotations

import re

from gateway.call import Agent
from gateway.events import Error, Finish, ReasoningDelta, TextDelta, ToolCallStart, Usage
from gateway.surfaces.native.request import Manner
from gateway.surfaces.websocket.phases import Phases, error, whole
from tests.gateway.surfaces.websocket.sockets import chunks, phase


EVENTS = [
    ReasoningDelta("Hm.", "m0"),
    ToolCallStart("c1", "search"),
    TextDelta("a", "m1"),
    TextDelta("b", "m2"),
    Usage(1, 2),
    Finish("length"),
]
AGENT = Agent("agent-1", "Milo", "memgpt_agent")


def phases(number: int = 0, **manner) -> Phases:
    told = Phases("s", Manner("c1", reply_to="u1", **manner), AGENT, number)
    told.seen(EVENTS[:number])
    return told


def timeless(frames) -> list:
    return [{**frame, "timestamp": ""} for frame in frames]


def test_all_of_it():
    """Each frame says whose answer it is and to what, and which phase it is of."""
    told = phases()
    frames = [told.start(), *told.encode(EVENTS)]
    assert [phase(frame) for frame in frames] == [
        "stream_start",
        *["stream_chunk"] * 4,
        "stream_end",
    ]
    assert all(frame[phase(frame)] is True for frame in frames)
    assert [frame.get("seq") for frame in frames] == [None, 1, 2, 3, 4, 6]
    assert chunks(frames)[-1] == {"type": "message", "content": "\n\nb"}
    first, last = frames[0], frames[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["timestamp"])
    assert {**first, "timestamp": ""} == {
        "type": "message_stream",
        "id": "s",
        "sender": "ai",
        "timestamp": "",
        "agentId": "agent-1",
        "agentName": "Milo",
        "agentType": "memgpt_agent",
        "session_id": "c1",
        "metadata": {"reply_to": "u1", "streaming": True},
        "stream_start": True,
    }
    assert last["metadata"] == {
        "reply_to": "u1",
        "streaming": False,
        "state": "finished",
        "finish_reason": "length",
    }
    assert told.begun


def test_from_every_place():
    """Who has seen some of it is told the rest, the same as it was told before."""
    whole_answer = timeless(phases().encode(EVENTS))
    for number in range(len(EVENTS) + 1):
        rest = [frame for frame in whole_answer if frame["seq"] > number]
        assert timeless(phases(number).encode(EVENTS[number:])) == rest


def test_nothing_is_left():
    """Who has seen all events is told the end once more, and nobody else is."""
    end = timeless(phases().encode(EVENTS))[-1]
    assert timeless(phases(len(EVENTS)).rest()) == [end]
    assert [list(phases(number).rest()) for number in range(len(EVENTS))] == [[]] * len(EVENTS)


def test_an_error():
    """An error is a chunk, and then the end."""
    failed = Error(502, "server_error", "upstream_error", "Letta failed.")
    chunk, end = phases().encode([failed])
    assert chunk["chunk"] == {"type": "error", "message": "Letta failed."}
    assert (chunk["seq"], end["seq"], end["metadata"]["state"]) == (1, 1, "failed")
    chunk, end = phases().of(failed, None)
    assert "seq" not in chunk
    assert "seq" not in end


def test_an_interrupt():
    """So is an interrupt."""
    stopped = Error(499, "invalid_request_error", "interrupted", "Interrupted.")
    chunk, end = phases().encode([stopped])
    assert (chunk["chunk"], end["metadata"]["state"]) == ({"type": "interrupted"}, "cancelled")


def test_nobody():
    """An answer of which nobody is known says null."""
    frame = Phases("s", Manner(), None).start()
    assert (frame["agentId"], frame["session_id"], frame["metadata"]["reply_to"]) == (None,) * 3


def test_a_whole_answer():
    """One frame, and no phase."""
    frame = whole("s", Manner("c1", reply_to="u1"), AGENT, "Hello")
    assert (frame["type"], frame["id"], frame["content"]) == ("message", "s", "Hello")
    assert frame["metadata"] == {"reply_to": "u1", "streaming": False}


def test_other_errors():
    """What belongs to no answer says what it belongs to, as far as that is known."""
    assert error("c", "m", id="", reply_to="u1") == {
        "type": "error",
        "code": "c",
        "message": "m",
        "reply_to": "u1",
    }
