from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from gateway.errors import LettaError
from gateway.letta.chats import ChatsAPI
from gateway.testing.fakeletta import FakeLetta, ServerTool
from tests.gateway.letta.connected import connected


@asynccontextmanager
async def asking(letta: FakeLetta):
    async with (
        letta,
        connected(letta) as api,
    ):
        yield api, ChatsAPI(api.reading)


async def talked(api, letta: FakeLetta, conversation_id: str, *said: str) -> str:
    (agent_id,) = letta.agents
    for number, text in enumerate(said, start=len(letta.runs) + 1):
        stream = await api.client.conversations.messages.create(
            conversation_id,
            messages=[{"role": "user", "content": text}],
            streaming=True,
            agent_id=agent_id,
        )
        async for _ in stream:
            pass
        assert (await letta.run(number)).over
    return agent_id


def short(said) -> list[tuple[str, str]]:
    return [(each.kind, each.content) for each in said]


@pytest.mark.parametrize("default", [True, False])
async def test_said(default):
    """What was said, oldest first, in whatever order Letta lists it."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Milo")
    async with asking(letta) as (api, chats):
        (agent_id,) = letta.agents
        place = "default"
        if not default:
            place = await api.create_conversation(agent_id, summary="")
        await talked(api, letta, place, "one", "@@reason@@")
        said = await chats.said(agent_id, place, limit=100)
        last = await chats.said(agent_id, place, limit=2)
        before = await chats.said(agent_id, place, limit=2, before=last[0].id)
    assert short(said) == [
        ("user", "one"),
        ("assistant", "You said: one"),
        ("user", "@@reason@@"),
        ("reasoning", "First I think. Then I conclude."),
        ("assistant", "The answer is 42."),
    ]
    assert short(last) == short(said)[2:]
    assert short(before) == short(said)[:2]


async def test_tools():
    """Calls and their results, with the name of the tool and whether it failed."""

    def fails(city: str, unit: str) -> str:
        raise ValueError("no")

    letta = FakeLetta(pace=0)
    letta.add_agent("Milo", tools=[ServerTool("get_weather", fails)])
    async with asking(letta) as (api, chats):
        agent_id = await talked(api, letta, "default", "@@tool@@")
        said = await chats.said(agent_id, "default", limit=100)
    call, result = said[1:3]
    assert (call.kind, call.name, call.call_id) == ("tool_call", "get_weather", "call_one")
    assert call.content == '{"city": "Paris", "unit": "c"}'
    assert (result.kind, result.call_id, result.ok) == ("tool_result", "call_one", False)


async def test_what_letta_says_itself():
    """Notes that Letta puts into the user's mouth are left out; what only looks so is not."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Old", type="memgpt_v2_agent")
    async with asking(letta) as (api, chats):
        agent_id = await talked(api, letta, "default", '{"type": "question"}', "{not JSON")
        said = await chats.said(agent_id, "default", limit=100)
    users = [each.content for each in said if each.kind == "user"]
    assert users == ['{"type": "question"}', "{not JSON"]


async def test_not_there():
    """A conversation that is not there is an answer, too."""
    letta = FakeLetta()
    letta.add_agent("Milo")
    async with asking(letta) as (_, chats):
        with pytest.raises(LettaError) as caught:
            await chats.said("agent-x", "conv-00000000-0000-4000-8000-000000000000", limit=1)
        assert caught.value.status == 404


async def test_entitled():
    """A title is Letta's summary."""
    letta = FakeLetta()
    letta.add_agent("Milo")
    async with asking(letta) as (api, chats):
        (agent_id,) = letta.agents
        place = await api.create_conversation(agent_id, summary="one")
        await chats.entitle(place, "Two")
        assert letta.conversations[place].summary == "Two"
