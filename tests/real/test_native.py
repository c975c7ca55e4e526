"""The native API and the WebSocket over a real Letta: agents of users, chats, titles, stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.behind import eventually
from tests.real.client import Client
from tests.real.conftest import Serve
from tests.real.scripts import does


MODEL = "openai-proxy/scripted-1"
TUTOR = {"tutor": {"name": "Tutor", "model": MODEL, "persona": "I teach."}}
SLOW = does(text=" ".join(f"w{number}" for number in range(60)), n=4, delay=0.2)


async def post(client: Client, path: str, body: Any, status: int = 200) -> Any:
    async with client.session.post(client.url + path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def events(answer: Any) -> AsyncIterator[Any]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


@pytest.fixture(name="made")
def _made(letta_server: LettaServer) -> Any:
    """Deletes the agents that users got."""
    yield
    for agent in letta_server.client.agents.list(tags=["letta-gateway:type=tutor"]):
        letta_server.client.agents.delete(agent.id)


@pytest.mark.usefixtures("made")
async def test_an_agent_for_each_user(serve: Serve, letta_server: LettaServer) -> None:
    """Many requests at once make one agent; it is as its template says, and can be spoken to."""
    client = await serve(templates=TUTOR)
    wanted = {"user_id": "ada@example.org", "agent_type": "tutor", "user_name": "Ada O'Neil"}
    asked = (client.session.post(f"{client.url}/agents", json=wanted) for _ in range(8))
    answers = await asyncio.gather(*asked)
    told = [await answer.json() for answer in answers]

    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    (agent_id,) = {each["agent_id"] for each in told}
    state = letta_server.client.agents.retrieve(
        agent_id, include=["agent.tags", "agent.blocks", "agent.tools"]
    )
    assert state.name == "Tutor for Ada O'Neil"
    assert {block.label: block.value for block in state.blocks} == {
        "persona": "I teach.",
        "human": "Name: Ada O'Neil",
    }
    assert "memory_insert" in {tool.name for tool in state.tools}
    answer = await post(client, "/chat", {"agent_id": agent_id, "message": "Hi", "chat_id": "c"})
    assert answer == {"response": "You said: Hi", "agent_id": agent_id, "chat_id": "c"}


async def test_a_chat(serve: Serve, make_agent: MakeAgent, letta_server: LettaServer) -> None:
    """A chat is one conversation with a title; what was said there can be read."""
    agent = make_agent("Milo")
    client = await serve()
    for said in ("one", does(text="Two.", reason="I think.")):
        body = {"agent": "Milo", "message": said, "chat_id": "c1", "chat_title": "Numbers"}
        await post(client, "/chat", {**body, "enable_thinking": False})

    (conversation,) = letta_server.client.conversations.list(agent_id=agent.id)
    titled = letta_server.client.conversations.retrieve
    await eventually(lambda: titled(conversation.id).summary == "Numbers")
    listed = (await client.get("/chat/messages?agent=Milo&chat_id=c1")).json["messages"]
    assert [(each["type"], each["content"]) for each in listed if each["type"] != "user"] == [
        ("assistant", "You said: one"),
        ("reasoning", "I think."),
        ("assistant", "Two."),
    ]
    before = f"/chat/messages?agent=Milo&chat_id=c1&limit=1&before={listed[2]['id']}"
    assert [each["content"] for each in (await client.get(before)).json["messages"]] == [
        "You said: one"
    ]


async def test_an_older_agents_chat(serve: Serve, make_agent: MakeAgent) -> None:
    """So it is with an agent that has one context for everything."""
    make_agent("Old", type="memgpt_v2_agent")
    client = await serve()
    for said in ("one", "two"):
        await post(client, "/chat", {"agent": "Old", "message": said, "chat_id": "c1"})

    listed = (await client.get("/chat/messages?agent=Old&chat_id=c1")).json["messages"]
    users = [each["content"] for each in listed if each["type"] == "user"]
    assert users == ["one", "two"]


async def test_interrupted(serve: Serve, make_agent: MakeAgent) -> None:
    """An interrupt cancels the run at Letta; the chat goes on without the turn."""
    make_agent("Milo")
    client = await serve()
    body = {"agent": "Milo", "message": SLOW, "chat_id": "c1"}
    async with client.session.post(f"{client.url}/chat/stream", json=body) as answer:
        stream_id, last = answer.headers["X-Stream-Id"], None
        async for event in events(answer):
            if event["type"] == "message" and last is None:
                told = await post(client, f"/chat/streams/{stream_id}/interrupt", None)
                assert told["state"] == "cancelled"
            last = event
    assert last == {"type": "interrupted"}
    answer = await post(client, "/chat", {"agent": "Milo", "message": "Hi", "chat_id": "c1"})
    assert answer["response"] == "You said: Hi"


async def test_a_socket(serve: Serve, make_agent: MakeAgent) -> None:
    """Over the WebSocket, the same text and reasoning."""
    agent = make_agent("Milo")
    client = await serve()
    async with client.session.ws_connect(f"{client.url}/ws") as ws:
        said = does(text="Two.", reason="I think.")
        frame = {"type": "message", "agentName": "Milo", "session_id": "s1", "content": said}
        await ws.send_json(frame)
        frames = [await ws.receive_json()]
        while "stream_end" not in frames[-1]:
            frames.append(await ws.receive_json())
    assert {frame["agentId"] for frame in frames} == {agent.id}
    chunks = [frame["chunk"] for frame in frames if "chunk" in frame]
    assert "".join(chunk.get("reasoning", "") for chunk in chunks) == "I think."
    texts = [chunk["content"] for chunk in chunks if chunk["type"] == "message"]
    assert "".join(texts) == "Two."
