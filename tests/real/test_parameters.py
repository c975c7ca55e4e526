"""What a request asks of the model: temperature, length, format, and where the answer ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.conftest import MODEL, Production, Serve
from tests.real.scripts import does, does_all


CHAT = {"X-Letta-Chat-Key": "parameters"}


class Person(BaseModel):
    """What is asked for."""

    name: str
    age: int


ADA = Person(name="Ada", age=36)
GOOD = f"```json\n{ADA.model_dump_json()}\n```"


@pytest.fixture(name="client")
async def _client(production: Production) -> Any:
    async with openai.AsyncOpenAI(
        base_url=production.base_url, api_key="any", max_retries=0
    ) as client:
        yield client


def asked_of_model(server: LettaServer, words: str) -> Sequence[dict[str, Any]]:
    """The requests that the model got because of a message with these words."""
    bodies = [request["body"] for request in server.model.requests()]
    return [body for body in bodies if words in str(body["messages"])]


async def test_they_reach_the_model(
    letta_server: LettaServer, make_agent: MakeAgent, serve: Serve
) -> None:
    """And all else is as the agent has it."""
    agent = make_agent("Sampled")
    client = await serve()
    for said, more in (("plain", {}), ("asked", {"temperature": 0.125, "max_tokens": 77})):
        answer = await client.ask("Sampled", f"{said} {agent.id}", **more)
        assert "x-letta-gateway-ignored" not in answer.headers
        assert answer.text.startswith("You said")
    (plain,) = asked_of_model(letta_server, f"plain {agent.id}")
    (asked,) = asked_of_model(letta_server, f"asked {agent.id}")
    assert {**plain, "temperature": 0.125, "max_completion_tokens": 77} == {
        **asked,
        "messages": plain["messages"],
    }


async def test_parallel_calls_stay_as_they_are(
    letta_server: LettaServer, make_agent: MakeAgent, serve: Serve
) -> None:
    """An agent that makes one call at a time does so under other settings, too."""
    agent = make_agent("Single")
    client = await serve()
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    for more in ({}, {"temperature": 0.5}):
        await client.ask("Single", f"single {agent.id}", tools=[tool], **more)
    plain, asked = asked_of_model(letta_server, f"single {agent.id}")
    assert plain["parallel_tool_calls"] is asked["parallel_tool_calls"] is False


@pytest.mark.parametrize("headers", [{}, CHAT], ids=["alone", "chat"])
async def test_stop(serve: Serve, make_agent: MakeAgent, headers: dict[str, str]) -> None:
    """The answer ends before it, and the next one follows."""
    make_agent("Stopped")
    client = await serve()
    said = does(text="one two STOP three", n=3)
    answer = await client.stream("Stopped", said, headers, stop=["STOP"])
    answer.check("stop")
    assert answer.text == "one two "
    assert (await client.ask("Stopped", "Hello", headers)).text == "You said: Hello"


async def test_a_cap_in_a_chat(serve: Serve, make_agent: MakeAgent) -> None:
    """About so many tokens; the agent remembers all that it said."""
    make_agent("Capped")
    client = await serve()
    said = does(text="one two three", n=3)
    answer = await client.ask("Capped", said, CHAT, max_completion_tokens=2)
    assert answer.text == "one two "
    assert answer.json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("headers", [{}, CHAT], ids=["alone", "chat"])
@pytest.mark.parametrize("steps", [(GOOD,), ("Well.", GOOD)], ids=["at once", "asked again"])
async def test_parse(
    client: openai.AsyncOpenAI, headers: dict[str, str], steps: Sequence[str]
) -> None:
    """The SDK's `parse` gets what it needs, also of an agent that has to be asked again."""
    answer = await client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": does_all(*({"text": text} for text in steps))}],
        response_format=Person,
        extra_headers={"X-Letta-Chat-Key": f"{len(steps)}"} if headers else {},
    )
    assert answer.choices[0].message.parsed == ADA


@pytest.mark.parametrize("headers", [{}, CHAT], ids=["alone", "chat"])
async def test_parse_a_stream(client: openai.AsyncOpenAI, headers: dict[str, str]) -> None:
    """Streams too: flowing where the model was told, held where it was not."""
    async with client.chat.completions.stream(
        model=MODEL,
        messages=[{"role": "user", "content": does(text=GOOD, n=4)}],
        response_format=Person,
        extra_headers=headers,
    ) as stream:
        pieces = [event.delta async for event in stream if event.type == "content.delta"]
        final = await stream.get_final_completion()
    assert final.choices[0].message.parsed == ADA
    assert len(pieces) == 1 if headers else len(pieces) > 3
