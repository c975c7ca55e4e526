"""Clients' tools for older agents of a real Letta: lent, called, answered, taken back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from letta_client.types import AgentType

from tests.gateway.command import kept
from tests.gateway.serving import Listening, over
from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.proxying import (
    Client,
    State,
    called,
    complete,
    proxies,
    script,
    shown,
    tools,
    until,
)


BOTH = pytest.mark.parametrize("older_agents", ["steps", "tokens"])


def settings(older_agents: str = "steps", **bridge: Any) -> dict[str, Any]:
    """A pipeline; `bridge` are the settings of `tool_bridge`."""
    steps = [
        {"use": "agent_resolver", "config": {"older_agents": older_agents}},
        {"use": "conversation_resolver", "config": {"share_legacy": True, "queue": 100}},
        {"use": "tool_bridge", "config": {"queue": 100, **bridge}},
    ]
    return {"pipeline": steps}


@pytest.fixture(name="older_agents")
def _older_agents() -> str:
    return "steps"


@pytest.fixture(name="gateway")
async def _gateway(letta_server, tmp_path, older_agents) -> AsyncIterator[Listening]:
    async with over(letta_server.url, tmp_path, **settings(older_agents)) as made:
        yield made


async def client_of(
    server: LettaServer, gateway: Listening, model: str, *names: str, **more: Any
) -> Client:
    """A client that knows what its tools are called at Letta."""
    offered = tools(*(names or ("get_weather",)))
    client = Client(f"{gateway.url}/v1", model, tools=offered, **more)
    await client.learn(server)
    return client


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("type", ["memgpt_agent", "memgpt_v2_agent"])
async def test_a_call_and_its_result(
    letta_server: LettaServer,
    make_agent: MakeAgent,
    gateway: Listening,
    type: AgentType,
    *,
    stream: bool,
) -> None:
    """The client's tool is called with its own arguments, and the agent hears the result."""
    agent = make_agent(f"proxy {type}", type=type)
    before = State.of(letta_server, agent.id)
    client = await client_of(letta_server, gateway, agent.id, stream=stream)
    deep = {"city": 'Par"is {', "at": {"thinking": [1, {"a": {}}], "b": "}"}}

    script = [client.calls("get_weather", **deep), {"text": "It is warm."}]
    reply = await client.does(*script)

    assert called(reply) == [("get_weather", deep)]
    assert State.of(letta_server, agent.id) == before
    said = client.messages[-2]["content"]
    assert (await client.answer("21 degrees"))["content"] == "It is warm."
    asked = shown(letta_server, said)
    assert len(asked) == 2
    assert all(map(complete, asked))
    assert "and this is the result.\\n21 degrees" in asked[-1]["messages"][-2]["content"]
    assert State.of(letta_server, agent.id) == before


@pytest.mark.parametrize("type", ["react_agent", "workflow_agent"])
async def test_agents_that_only_call_tools(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening, type: AgentType
) -> None:
    """They call the client's like their own, again and again; some forget what was before."""
    agent = make_agent(f"proxy {type}", type=type, include_base_tools=False)
    before = State.of(letta_server, agent.id)
    other = await client_of(
        letta_server, gateway, make_agent("proxy other", type="memgpt_agent").id
    )
    client = Client(other.url, agent.id, names=other.names)
    for city in ("Rome", "Oslo"):
        steps = [client.calls("get_weather", city=city)] * 3
        assert called(await client.does(*steps)) == [("get_weather", {"city": city})]
        # For those that forget, the result is the last that was said.
        answer = await client.answer(f"21 degrees {script(*steps)}")
        assert called(answer) == [("get_weather", {"city": city})]
        client.messages.pop()
    assert State.of(letta_server, agent.id) == before


async def test_many_rounds(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """Round after round, also with a chat key."""
    agent = make_agent("proxy rounds", type="memgpt_v2_agent")
    client = await client_of(
        letta_server, gateway, agent.id, headers={"X-Letta-Chat-Key": "rounds"}
    )
    reply = await client.does(*[client.calls("get_weather")] * 6, {"text": "Enough."})
    for number in range(6):
        assert called(reply) == [("get_weather", {"city": "Rome"})]
        reply = await client.answer(f"result {number}")
    assert reply["content"] == "Enough."
    (*_, asked) = shown(letta_server, client.messages[2]["content"])
    results = [m["content"] for m in asked["messages"] if m["role"] == "tool"]
    assert [sum(f"result {n}" in text for text in results) for n in range(6)] == [1] * 6


async def test_parallel_calls(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """The agent makes one call at a time, and the client hears of no other."""
    agent = make_agent("proxy parallel", type="memgpt_v2_agent")
    client = await client_of(letta_server, gateway, agent.id, "get_weather", "get_time")
    reply = await client.does(client.calls("get_weather", "get_time"), {"text": "Well."})
    assert called(reply) == [("get_weather", {"city": "Rome"})]
    assert (await client.answer())["content"] == "Well."


@BOTH
async def test_the_user_moves_on(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """The model sees why the call has no result, and is shown no call without one."""
    agent = make_agent("proxy moved on", type="memgpt_v2_agent")
    client = await client_of(letta_server, gateway, agent.id)
    await client.does(client.calls("get_weather"))
    said = f"No-{agent.id}"
    assert (await client.say(said))["content"] == f"You said: {said}"
    (asked,) = shown(letta_server, said)
    assert complete(asked)
    denied = [m["content"] for m in asked["messages"] if m["role"] == "tool"][-1]
    assert "has moved on" in denied


async def test_what_the_user_says_with_the_result(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """The agent hears both."""
    agent = make_agent("proxy beside", type="memgpt_agent")
    client = await client_of(letta_server, gateway, agent.id)
    await client.does(client.calls("get_weather"))
    (call,) = client.messages[-1]["tool_calls"]
    client.messages.append({"role": "tool", "tool_call_id": call["id"], "content": "4711"})
    said = f"And now? {agent.id}"
    assert (await client.say(said))["content"] == f"You said: {said}"
    (asked,) = shown(letta_server, said)
    assert complete(asked)
    assert any("4711" in str(message["content"]) for message in asked["messages"])


async def test_another_program_left_a_call(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """It is denied, and the message is delivered once."""
    agent = make_agent("proxy left", type="memgpt_v2_agent")
    client = await client_of(letta_server, gateway, agent.id)
    tool = letta_server.client.tools.upsert(
        source_code="def guarded_tool(): pass",
        json_schema={
            "name": "guarded_tool",
            "parameters": {"type": "object", "properties": {}, "required": []},
        },
        default_requires_approval=True,
    )
    try:
        letta_server.client.agents.tools.attach(tool.id, agent_id=agent.id)
        letta_server.client.agents.messages.create(agent.id, input="@@tool:guarded_tool@@")
        said = f"Hello. {agent.id}"
        assert (await client.say(said))["content"] == f"You said: {said}"
    finally:
        letta_server.client.tools.delete(tool.id)
    (asked,) = shown(letta_server, said)
    assert complete(asked)


async def test_many_clients(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """One after the other they have the agent; its model sees the tools of one at a time."""
    agent = make_agent("proxy many", type="memgpt_v2_agent")
    before = State.of(letta_server, agent.id)
    names = [f"tool_{number}" for number in range(6)]
    clients = [
        Client(
            f"{gateway.url}/v1",
            agent.id,
            tools=tools(name),
            headers={"X-Letta-Chat-Key": name, "Authorization": f"Bearer sk-{name}"},
        )
        for name in names
    ]

    replies = await asyncio.gather(*(client.say("@@sysinfo@@") for client in clients))

    for name, reply in zip(names, replies, strict=True):
        seen = {tool.partition("__")[0] for tool in json.loads(reply["content"])["tools"]}
        assert seen & set(names) == {name}
    assert State.of(letta_server, agent.id) == before


@pytest.mark.parametrize("key", ["", "chat"], ids=["scratch", "keyed"])
async def test_agents_of_today(
    letta_server: LettaServer, make_agent: MakeAgent, tmp_path, key: str
) -> None:
    """If the operator wants it, they are lent proxies, too, and make several calls at once."""
    agent = make_agent(
        "proxy modern",
        model_settings={"provider_type": "openai", "parallel_tool_calls": True},
    )
    before = State.of(letta_server, agent.id)
    headers = {"X-Letta-Chat-Key": key} if key else {}
    names = tuple(f"{name}_{agent.id[-8:]}" for name in ("get_weather", "get_time"))
    async with over(letta_server.url, tmp_path, **settings(strategy="proxy")) as gateway:
        client = await client_of(
            letta_server, gateway, agent.id, *names, stream=True, headers=headers
        )
        reply = await client.does(client.calls(*names), {"text": "Both."})
        assert [name for name, _ in called(reply)] == list(names)
        assert (await client.answer())["content"] == "Both."
        await client.does(client.calls(names[0]))
        assert (await client.say("Never mind."))["content"] == "You said: Never mind."
    assert State.of(letta_server, agent.id) == before
    assert proxies(letta_server, *names) == []


async def test_the_client_leaves(
    letta_server: LettaServer, make_agent: MakeAgent, gateway: Listening
) -> None:
    """In the middle of the arguments: the agent is as it was, and answers the next request."""
    agent = make_agent("proxy leaves", type="memgpt_v2_agent")
    before = State.of(letta_server, agent.id)
    client = await client_of(letta_server, gateway, agent.id)
    slow = {**client.calls("get_weather", city="Rome" * 10), "delay": 0.2}
    client.messages.append({"role": "user", "content": f"!!{json.dumps(slow)}!!"})
    async with httpx.AsyncClient() as http:
        asking = asyncio.create_task(http.post(f"{client.url}/chat/completions", json=client.body))
        await until(lambda: State.of(letta_server, agent.id) != before)
        asking.cancel()
        await asyncio.wait([asking])
    await until(lambda: State.of(letta_server, agent.id) == before)
    assert (await client.say("hi"))["content"] == "You said: hi"


async def test_a_crash(letta_server: LettaServer, make_agent: MakeAgent, tmp_path) -> None:
    """Killed between lending and taking back, the gateway tidies up at its next start."""
    agent = make_agent("proxy crash", type="memgpt_v2_agent")
    before = State.of(letta_server, agent.id)
    name = f"crash_{agent.id[-8:]}"
    async with kept(letta_server.url, tmp_path) as gateway:
        client = Client(f"{gateway.url}/v1", agent.id, tools=tools(name))
        asking = asyncio.create_task(client.say("@@slowstart:3@@"))
        await until(lambda: len(State.of(letta_server, agent.id).tools) > len(before.tools))
        gateway.process.kill()
        await asyncio.wait([asking])
        assert asking.exception() is not None
    assert len(State.of(letta_server, agent.id).rules) > len(before.rules)
    assert len(proxies(letta_server, name)) == 1
    async with kept(letta_server.url, tmp_path):
        await until(lambda: not proxies(letta_server, name))
        assert State.of(letta_server, agent.id) == before


async def test_a_crash_while_a_call_waits(
    letta_server: LettaServer, make_agent: MakeAgent, tmp_path
) -> None:
    """The client answers the gateway that was started anew."""
    agent = make_agent("proxy survives", type="memgpt_agent")
    name = f"survives_{agent.id[-8:]}"
    async with kept(letta_server.url, tmp_path) as gateway:
        client = Client(f"{gateway.url}/v1", agent.id, tools=tools(name))
        await client.learn(letta_server)
        assert called(await client.does(client.calls(name), {"text": "Warm."}))
    async with kept(letta_server.url, tmp_path) as gateway:
        client.url = f"{gateway.url}/v1"
        assert (await client.answer())["content"] == "Warm."
        assert (await client.say("hi"))["content"] == "You said: hi"
        gateway.process.terminate()
        await gateway.process.wait()
    assert proxies(letta_server, name) == []
