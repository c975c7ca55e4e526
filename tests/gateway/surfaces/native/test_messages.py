from __future__ import annotations

import pytest

from gateway.call import USER_TAG
from gateway.testing.fakeletta import FakeLetta, ServerTool
from tests.gateway.surfaces.native.native import native


async def listed(api, status=200, **query):
    async with api.get("/chat/messages", params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def types(told) -> list[tuple[str, str]]:
    return [(each["type"], each["content"]) for each in told["messages"]]


async def test_a_chats_messages(tmp_path):
    """All that was said in a chat, oldest first, and nothing of another."""
    async with native(tmp_path) as api:
        (agent,) = api.letta.agents
        for said in ("one", "@@reason@@"):
            await api.chat(said, chat_id="c1")
        await api.chat("other", chat_id="c2")
        by_name = await listed(api, agent="Milo", chat_id="c1")
        assert await listed(api, agent_id=agent, chat_id="c1") == by_name
    assert (by_name["agent_id"], by_name["chat_id"]) == (agent, "c1")
    assert types(by_name) == [
        ("user", "one"),
        ("assistant", "You said: one"),
        ("user", "@@reason@@"),
        ("reasoning", "First I think. Then I conclude."),
        ("assistant", "The answer is 42."),
    ]
    assert all(each["id"] and each["date"] for each in by_name["messages"])


async def test_tools(tmp_path):
    """Calls and results of the agent's tools belong to what was said."""
    letta = FakeLetta(pace=0)
    tool = ServerTool("get_weather", lambda city, unit: f"21 {unit} in {city}")
    letta.add_agent("Milo", tools=[tool])
    async with native(tmp_path, letta) as api:
        await api.chat("@@tool@@", chat_id="c1")
        told = await listed(api, agent="Milo", chat_id="c1")
    call, result = told["messages"][1:3]
    assert (call["type"], call["name"], result["type"]) == (
        "tool_call",
        "get_weather",
        "tool_result",
    )
    assert call["call_id"] == result["call_id"]
    assert (result["content"], result["ok"]) == ("21 c in Paris", True)


async def test_pages(tmp_path):
    """Of a long chat the last is shown, and what was before it on the next page."""
    async with native(tmp_path) as api:
        for number in range(4):
            await api.chat(str(number), chat_id="c1")
        last = await listed(api, agent="Milo", chat_id="c1", limit="2")
        first = last["messages"][0]["id"]
        before = await listed(api, agent="Milo", chat_id="c1", limit="3", before=first)
    assert types(last) == [("user", "3"), ("assistant", "You said: 3")]
    assert [content for _, content in types(before)] == ["You said: 1", "2", "You said: 2"]


async def test_an_older_agents_messages(tmp_path):
    """Agents with one context have one list, without what Letta notes in the user's name."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Old", type="memgpt_v2_agent")
    async with native(tmp_path, letta) as api:
        await api.chat("one", "Old", chat_id="c1")
        told = await listed(api, agent="Old", chat_id="c1")
    said = [content for kind, content in types(told) if kind == "user"]
    assert said == ["one"]
    assert types(told)[-1] == ("assistant", "You said: one")


async def test_users_own_agents_are_not_named(tmp_path):
    """Who asks for an agent that is not there is told of those that all may know."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Milo")
    letta.add_agent("Tutor for Ada", tags=(f"{USER_TAG}7",))
    async with native(tmp_path, letta) as api:
        told = await listed(api, 404, agent="Nobody", chat_id="c1")
    assert told["error"]["message"] == "There is no agent 'Nobody'; there is Milo"


async def test_not_there(tmp_path):
    """A chat that nothing was said in, somebody else's and an agent that is not there are 404."""
    async with native(tmp_path) as api:
        await api.chat("one", chat_id="c1")
        told = await listed(api, 404, agent="Milo", chat_id="c2")
        assert told["error"]["code"] == "chat_not_found"
        theirs = {"Authorization": "Bearer other"}
        query = {"agent": "Milo", "chat_id": "c1"}
        async with api.get("/chat/messages", params=query, headers=theirs) as answer:
            assert answer.status == 404
        told = await listed(api, 404, agent="Nobody", chat_id="c1")
        assert told["error"]["code"] == "model_not_found"
        unlisted = "agent-00000000-0000-4000-8000-000000000000"
        told = await listed(api, 404, agent_id=unlisted, chat_id="c1")
        assert told["error"]["code"] == "chat_not_found"


@pytest.mark.parametrize(
    "query",
    [
        {"agent": "Milo"},
        {"chat_id": "c1"},
        {"agent": "Milo", "chat_id": "c1", "limit": "0"},
        {"agent": "Milo", "chat_id": "c1", "limit": "many"},
        {"agent": "Milo", "chat_id": "c1", "limit": "201"},
        {"agent": "Milo", "chat_id": "c1", "before": "\0"},
    ],
)
async def test_refused(query, tmp_path):
    """What is missing or too much is a 400."""
    async with native(tmp_path) as api:
        await listed(api, 400, **query)
