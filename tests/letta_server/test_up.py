"""The server that the other tests rely on: it comes up, and its agents answer."""

from __future__ import annotations

import json

import httpx
import pytest
from letta_client.types import AgentType
from letta_client.types.agents import LettaResponse

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer


def text(answer: LettaResponse) -> str:
    return "".join(
        str(message.content)
        for message in answer.messages
        if message.message_type == "assistant_message"
    )


def test_is_healthy(letta_server: LettaServer) -> None:
    """The server answers its health check, and is the version that the project is made for."""
    assert letta_server.client.health().version == "0.16.8"


@pytest.mark.parametrize(
    "type", ["letta_v1_agent", "sleeptime_agent", "memgpt_v2_agent", "memgpt_agent"]
)
def test_an_agent_answers(
    letta_server: LettaServer, make_agent: MakeAgent, type: AgentType
) -> None:
    """Agents of every type that can chat say what the scripted model says."""
    agent = make_agent(f"harness {type}", type=type)

    answer = letta_server.client.agents.messages.create(agent.id, input="@@plain:3@@")

    assert text(answer) == "word0 word1 word2"


def test_a_token_stream(letta_server: LettaServer, make_agent: MakeAgent) -> None:
    """An answer streams in the pieces in which the model sent it."""
    agent = make_agent("harness stream")
    script = {"text": ["one ", "two ", "three"]}

    stream = letta_server.client.agents.messages.create(
        agent.id, input=f"!!{json.dumps(script)}!!", streaming=True, stream_tokens=True
    )

    pieces = [event.content for event in stream if event.message_type == "assistant_message"]
    assert script["text"] == pieces


def test_a_stream_waits_at_a_gate(letta_server: LettaServer, make_agent: MakeAgent) -> None:
    """A test can hold an answer in the middle for as long as it likes."""
    agent = make_agent("harness gate")
    stream = letta_server.client.agents.messages.create(
        agent.id, input=f"@@gate:{agent.id}@@", streaming=True, stream_tokens=True
    )
    pieces = (each.content for each in stream if each.message_type == "assistant_message")

    assert [next(pieces), next(pieces)] == ["one ", "two "]
    letta_server.model.open(agent.id)
    assert "".join(map(str, pieces)) == "three four five"


def get_weather(city: str) -> str:
    """
    Tell the weather.

    Args:
        city (str): The city.
    """
    return f"21 c in {city}"


def test_an_agent_uses_a_tool(letta_server: LettaServer, make_agent: MakeAgent) -> None:
    """A function given to `make_agent` is run by Letta, and the model gets its result."""
    agent = make_agent("harness tool", tools=[get_weather])
    script = {"steps": [{"tools": [{"name": "get_weather", "args": {"city": "Rome"}}]}]}

    answer = letta_server.client.agents.messages.create(agent.id, input=f"!!{json.dumps(script)}!!")

    returns = [m for m in answer.messages if m.message_type == "tool_return_message"]
    assert [each.tool_return for each in returns] == ["21 c in Rome"]
    assert text(answer) == "done"


def test_requests_are_recorded(letta_server: LettaServer, make_agent: MakeAgent) -> None:
    """A test can read what the model was asked."""
    agent = make_agent("harness requests", model="scripted-2")
    letta_server.model.forget()

    letta_server.client.agents.messages.create(agent.id, input="a word of mine")

    bodies = [request["body"] for request in letta_server.model.requests()]
    last = [body["messages"][-1]["content"] for body in bodies if body["model"] == "scripted-2"]
    assert last == ["a word of mine"]


def test_agents_are_deleted(letta_server: LettaServer) -> None:
    """Agents that were made for a test are gone afterwards, and the others stay."""
    first = letta_server.make_agent("harness first")
    second = letta_server.make_agent("harness second")

    letta_server.delete_agents(since=letta_server.made.index(second.id))

    assert httpx.get(f"{letta_server.url}/v1/agents/{first.id}").status_code == 200
    assert httpx.get(f"{letta_server.url}/v1/agents/{second.id}").status_code == 404
