from __future__ import annotations

import pytest

from gateway.replay.recording import Block, Recording, read
from gateway.replay.request import SOMETHING, agent_of, body_of, call_of, streaming_of


def recording(asked=None, name="mine"):
    return Recording(name, [Block(b"")], asked=asked or {})


def test_what_was_said():
    """The messages that Letta was sent are what a client would have sent."""
    sent = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}]
    body = body_of(recording({"body": {"messages": sent}}), "Milo")

    assert body["messages"] == sent
    assert body["model"] == "Milo"
    assert "tools" not in body


@pytest.mark.parametrize(
    "body", [None, {"messages": [{"type": "tool_return"}]}, {"messages": "x"}, {}]
)
def test_what_was_said_is_not_known(body):
    """Something stands in its place: a request without a user's message would be refused."""
    assert body_of(recording({"body": body}), "Milo")["messages"] == [
        {"role": "user", "content": SOMETHING}
    ]


def test_tools():
    """The tools that were offered to Letta are the client's."""
    call = call_of(read("ct-mixed-call-tok"), agent_of(recording()), "Milo")

    assert [tool.name for tool in call.tools] == ["get_weather", "get_time"]


@pytest.mark.parametrize(
    ("name", "asked", "kind", "expected"),
    [
        ("mine", {}, None, "letta_v1_agent"),
        ("type-memgpt_agent-plain-3-tok", {}, None, "memgpt_agent"),
        ("type-memgpt_v2_agent-plain-3-tok", {}, None, "memgpt_v2_agent"),
        ("mine", {"agent": {"type": "react_agent"}}, None, "react_agent"),
        ("mine", {"agent": {"type": "react_agent"}}, "memgpt_agent", "memgpt_agent"),
    ],
)
def test_the_agent(name, asked, kind, expected):
    """Its type is what is asked for, what was recorded, or what the name tells."""
    assert agent_of(recording(asked, name), kind).type == expected


def test_how_it_streamed():
    """As it was asked for: by tokens unless the request says otherwise."""
    assert streaming_of(recording()) == "tokens"
    assert streaming_of(read("v1-plain-step")) == "steps"
