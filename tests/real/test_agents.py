"""Agents of every type, under every name, on every page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from letta_client.types import AgentType

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.conftest import Serve
from tests.real.gateways import pipeline
from tests.real.scripts import does


CHATTING: list[AgentType] = [
    "letta_v1_agent",
    "memgpt_v2_agent",
    "memgpt_agent",
    "sleeptime_agent",
]
SAID = 'All "quoted" words,\n\ntwo paragraphs, a \\ and\ttabs.'


@pytest.mark.parametrize("type", CHATTING)
async def test_types_that_chat(serve: Serve, make_agent: MakeAgent, type: AgentType) -> None:
    """An agent of any type that can chat says the same, streamed and whole."""
    agent = make_agent("Milo", type=type)
    client = await serve(pipeline=pipeline(agent_resolver={"include_sleeptime": True}))

    streamed = await client.stream(agent.id, does(text=SAID, reason="I think.", n=3))
    whole = await client.ask(agent.id, does(text=SAID, reason="I think.", n=3))

    streamed.check()
    assert streamed.text == whole.text == SAID
    assert streamed.reasoning == whole.message["reasoning_content"] == "I think."


@pytest.mark.parametrize("type", ["react_agent", "workflow_agent"])
async def test_types_that_do_not_chat(serve: Serve, make_agent: MakeAgent, type: AgentType) -> None:
    """Agents that only call tools give a clean error when their model talks."""
    make_agent("Worker", type=type)
    client = await serve()

    answer = await client.ask("Worker", "Hello")
    streamed = await client.ask("Worker", "Hello", stream=True)

    assert answer.status == streamed.status == 502
    assert answer.error["type"] == streamed.error["type"] == "server_error"
    assert answer.error["code"] == streamed.error["code"] == "upstream_model_error"
    assert "No tool calls found in response" in answer.error["message"]


async def test_sleeptime_agents_are_left_out(serve: Serve, make_agent: MakeAgent) -> None:
    """Agents that tend others' memory are no models, unless the operator says so."""
    make_agent("Night watch", type="sleeptime_agent")
    client = await serve()

    listed = await client.get("/v1/models")
    answer = await client.ask("Night watch", "Hello")

    assert "Night watch" not in [model["id"] for model in listed.json["data"]]
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("name", ["Müller", "日本 アシスタント", "Ж агент", "مساعد", "O'Brien-x_1"])
async def test_names(serve: Serve, make_agent: MakeAgent, name: str) -> None:
    """Any name that Letta allows can be asked for, listed and looked up."""
    agent = make_agent(name)
    client = await serve()

    answer = await client.ask(name, "Hello")
    found = await client.get(f"/v1/models/{name}")

    assert answer.text == "You said: Hello"
    assert answer.json["model"] == found.json["id"] == name
    assert (await client.get(f"/v1/models/{agent.id}")).json == found.json


async def test_what_an_agent_can_do(serve: Serve, make_agent: MakeAgent) -> None:
    """Its model tells it as Letta knows it, with the tools that Letta gave the agent."""
    agent = make_agent("Able")
    client = await serve()
    told = (await client.get("/v1/models/Able")).json["letta"]
    assert told.pop("context_window") == agent.llm_config.context_window
    assert "conversation_search" in told.pop("tools")
    assert told == {
        "agent_id": agent.id,
        "agent_type": "letta_v1_agent",
        "model": agent.model,
        "parallel_tool_calls": False,
        "client_tools": True,
        "carries": ["json_object", "json_schema", "max_tokens", "temperature"],
    }


async def test_two_of_one_name(serve: Serve, make_agent: MakeAgent) -> None:
    """Two agents of one name are listed by id; the bare name is a 404 that lists the ids."""
    first, second = make_agent("Twin"), make_agent("Twin")
    client = await serve()

    answer = await client.ask("Twin", "Hello")
    listed = [model["id"] for model in (await client.get("/v1/models")).json["data"]]

    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert first.id in answer.error["message"]
    assert second.id in answer.error["message"]
    assert {first.id, second.id} <= set(listed)
    assert "Twin" not in listed
    assert (await client.ask(second.id, "Hello")).text == "You said: Hello"


async def test_an_unknown_name(serve: Serve, make_agent: MakeAgent) -> None:
    """A wrong name is a 404 that tells what was meant, streamed or not."""
    make_agent("Assistant of mine")
    client = await serve()

    answer = await client.ask("Asistant of mine", "Hello")
    streamed = await client.ask("assistant of mine", "Hello", stream=True)

    assert answer.status == streamed.status == 404
    assert answer.error["code"] == streamed.error["code"] == "model_not_found"
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == "model"
    assert "Assistant of mine" in answer.error["message"]


async def test_an_agent_that_was_deleted(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """An agent that the gateway still knows and Letta does not is a 404."""
    agent = make_agent("Gone soon")
    client = await serve()
    await client.ask("Gone soon", "Hello")

    letta_server.client.agents.delete(agent.id)
    answer = await client.ask("Gone soon", "Hello")

    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_pages(serve: Serve, make_agent: MakeAgent) -> None:
    """More agents than Letta lists on a page are all listed, and all can be asked for."""
    names = [f"Page {number:03d}" for number in range(120)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: make_agent(name, include_base_tools=False), names))
    client = await serve()

    listed = await client.get("/v1/models")
    first = await client.ask("Page 000", "Hello")
    last = await client.ask("Page 119", "Hello")

    ids = [model["id"] for model in listed.json["data"]]
    assert sorted(each for each in ids if each.startswith("Page ")) == names
    assert first.text == last.text == "You said: Hello"
