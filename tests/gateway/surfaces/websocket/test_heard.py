from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Message as Said
from gateway.call import Text, Thread
from gateway.errors import Reject
from gateway.surfaces.native.request import Manner
from gateway.surfaces.websocket.heard import Interrupt, Message, Ping, Resume, Token, hear


WORDS = ["message", "resume", "interrupt", "auth", "ping", "Milo", "full", "text", "x" * 600]
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda within: st.lists(within, max_size=3) | st.dictionaries(st.sampled_from(WORDS), within),
    max_leaves=6,
)
FIELDS = (
    *("type", "id", "agentId", "agentName", "session_id", "content", "stream", "after", "token"),
    *("chat_title", "enable_thinking", "events", "metadata"),
)
FRAMES = st.dictionaries(st.sampled_from(FIELDS), VALUES)
MESSAGE = {"type": "message", "agentName": "Milo", "content": "Hello", "session_id": "s1"}


def heard(**frame):
    return hear(json.dumps(frame))[1]


def test_a_message():
    """A message names an agent and a session, and says something."""
    said = heard(**MESSAGE, id="u1")
    assert isinstance(said, Message)
    assert (said.call.model, said.call.messages) == ("Milo", (Said("user", (Text("Hello"),)),))
    assert said.call.thread == Thread("s1", only_new=True)
    assert said.manner == Manner("s1", reply_to="u1")
    assert (said.agent_id, said.agent_name, said.streamed, said.title) == ("", "Milo", True, "")


def test_the_agents_id_goes_before_its_name():
    """Who names both means the id; the answer's frames have both until more is known."""
    said = heard(**MESSAGE, agentId="agent-1")
    assert (said.call.model, said.agent_id, said.agent_name) == ("agent-1", "agent-1", "Milo")


def test_how_it_is_shown():
    """Whole or streamed, with or without thinking, basic or full."""
    said = heard(**MESSAGE, stream=False, enable_thinking=False, events="full", chat_title="T")
    assert (said.streamed, said.call.stream, said.title) == (False, False, "T")
    assert said.manner == Manner("s1", thinking=False, full=True)


def test_once():
    """A message with an id is the same one in the same session, and only there."""
    keys = [
        heard(**MESSAGE | {"session_id": session}, id=said_id).call.headers.get("idempotency-key")
        for session, said_id in (("s1", "u1"), ("s1", "u1"), ("s2", "u1"), ("s1", "u2"), ("s1", ""))
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert keys[-1] is None


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        ({"type": "resume", "id": "m1"}, Resume("m1", 0)),
        ({"type": "resume", "id": "m1", "after": 7}, Resume("m1", 7)),
        ({"type": "interrupt", "id": "m1"}, Interrupt("m1")),
        ({"type": "auth", "token": "k"}, Token("k")),
        ({"type": "auth", "token": 7}, Token("")),
        ({"type": "ping"}, Ping()),
    ],
)
def test_other_wishes(frame, what):
    """Going on, stopping, who it is, and whether anybody is there."""
    assert heard(**frame) == what


@pytest.mark.parametrize(
    ("data", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_type", "frame"),
        ("{}", "invalid_value", "type"),
        ('{"type": "subscribe"}', "invalid_value", "type"),
        ('{"type": []}', "invalid_value", "type"),
        ('{"type": "resume"}', "invalid_value", "id"),
        ('{"type": "resume", "id": "m", "after": -1}', "invalid_value", "after"),
        ('{"type": "resume", "id": "m", "after": true}', "invalid_value", "after"),
        ('{"type": "interrupt", "id": ""}', "invalid_value", "id"),
        (json.dumps(MESSAGE | {"content": ""}), "invalid_value", "content"),
        (json.dumps(MESSAGE | {"agentName": ""}), "missing_model", "agentId"),
        (json.dumps(MESSAGE | {"session_id": []}), "invalid_type", "session_id"),
        (json.dumps(MESSAGE | {"stream": "no"}), "invalid_type", "stream"),
        (json.dumps(MESSAGE | {"events": "all"}), "invalid_value", "events"),
    ],
)
def test_refused(data, code, param):
    """What is no frame, or a wrong one, is refused, and what its fields are is known."""
    fields, said = hear(data)
    assert isinstance(said, Reject)
    assert (said.code, said.param) == (code, param)
    assert fields == (json.loads(data) if data.startswith('{"') else {})


@given(st.sampled_from([{}, MESSAGE]), FRAMES | VALUES)
def test_anything(kind, frame):
    """Whatever a frame is, it is taken or refused."""
    whole = {**kind, **frame} if isinstance(frame, dict) else frame
    fields, said = hear(json.dumps(whole))
    assert isinstance(fields, dict)
    assert isinstance(said, Message | Resume | Interrupt | Token | Ping | Reject)


def test_what_nobody_reads():
    """A field with a slip in its name is named in the log line."""
    said = heard(**{**MESSAGE, "sesion_id": "s2", "metadata": {}})
    assert isinstance(said, Message)
    assert said.call.reply.ignored == ("sesion_id",)
