"""Proxy tools at Letta: made once, lent to an agent, taken back without a trace."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from gateway.call import Tool
from gateway.errors import LettaError
from gateway.letta.tools import ProxyTools
from gateway.testing.fakeletta import FakeAgent, FakeLetta, ServerTool
from tests.gateway.letta.loopback import connected


ENDING = "__1"
MINE, YOURS = "look__1", "look__2"
RULE = {"tool_name": "save", "type": "requires_approval", "prompt_template": None}
OTHER_RULE = {
    "tool_name": "save",
    "type": "max_count_per_step",
    "prompt_template": None,
    "max_count_limit": 3,
}


@pytest.fixture
async def fake() -> AsyncIterator[FakeLetta]:
    async with FakeLetta() as made:
        yield made


@pytest.fixture
def milo(fake) -> FakeAgent:
    save = ServerTool("save", lambda: "saved", requires_approval=True)
    agent: FakeAgent = fake.add_agent("Milo", tools=[save])
    agent.tool_rules.append(OTHER_RULE)
    return agent


@pytest.fixture
async def proxies(fake) -> AsyncIterator[ProxyTools]:
    async with connected(fake.url) as letta:
        yield letta.proxies


def rules(agent: FakeAgent) -> list[str]:
    """What the agent's calls of tools wait for."""
    found = (rule for rule in agent.tool_rules if rule["type"] == "requires_approval")
    return [rule["tool_name"] for rule in found]


async def test_make(fake, proxies):
    """It says what the client's tool takes, and can be told from people's tools."""
    made = await proxies.make(Tool(MINE, "Looks.", {"type": "object"}))
    (proxy,) = await proxies.all()
    assert (proxy.id, proxy.name) == (made, MINE)
    assert proxy.used == pytest.approx(time.time(), abs=60)
    (body,) = [request.body for request in fake.requests if request.method == "PUT"]
    assert body["json_schema"] == {
        "name": MINE,
        "description": "Looks.",
        "parameters": {"type": "object"},
    }


async def test_make_again(proxies):
    """The same name is the same proxy."""
    assert await proxies.make(Tool(MINE)) == await proxies.make(Tool(MINE))


async def test_all(milo, proxies):
    """People's own tools are none, however many there are."""
    for number in range(250):
        await proxies.make(Tool(f"t{number}"))
    assert [proxy.name for proxy in await proxies.all()] == [f"t{n}" for n in range(250)]


async def test_delete(proxies):
    """One that is gone is gone."""
    made = await proxies.make(Tool(MINE))
    await proxies.delete(made)
    await proxies.delete(made)
    assert await proxies.all() == []


async def test_lend(milo, proxies):
    """The agent has them beside its own tools, and their calls wait for an answer."""
    made = {name: await proxies.make(Tool(name)) for name in (MINE, "see__1")}
    assert await proxies.lend(milo.id, made, ending=ENDING) == []
    assert set(milo.tools) == {"save", *made}
    assert rules(milo) == ["save", *made]
    assert OTHER_RULE in milo.tool_rules


async def test_a_call_waits_before_the_tool_is_there(fake, milo, proxies):
    """There is no moment in which Letta would run it."""
    await proxies.lend(milo.id, {MINE: await proxies.make(Tool(MINE))}, ending=ENDING)
    changes = [r.path.rpartition("/")[0] for r in fake.requests if r.method == "PATCH"]
    assert changes == ["/v1/agents", f"/v1/agents/{milo.id}/tools/attach"]


async def test_take_back(milo, proxies):
    """Nothing is left of them; what the agent had of its own is."""
    before = (dict(milo.tools), list(milo.tool_rules))
    await proxies.lend(milo.id, {MINE: await proxies.make(Tool(MINE))}, ending=ENDING)
    await proxies.lend(milo.id, {}, ending=ENDING)
    assert (milo.tools, milo.tool_rules) == before


async def test_others_stay(milo, proxies):
    """What another gateway lends is its own affair."""
    await proxies.lend(milo.id, {YOURS: await proxies.make(Tool(YOURS))}, ending="__2")
    await proxies.lend(milo.id, {MINE: await proxies.make(Tool(MINE))}, ending=ENDING)
    await proxies.lend(milo.id, {}, ending=ENDING)
    assert set(milo.tools) == {"save", YOURS}
    assert rules(milo) == ["save", YOURS]


async def test_leftovers_go(milo, proxies):
    """What a crash left with the agent is taken back with the next loan."""
    await proxies.lend(milo.id, {MINE: await proxies.make(Tool(MINE))}, ending=ENDING)
    await proxies.lend(milo.id, {"see__1": await proxies.make(Tool("see__1"))}, ending=ENDING)
    assert set(milo.tools) == {"save", "see__1"}
    assert rules(milo) == ["save", "see__1"]


async def test_one_that_is_gone(milo, proxies):
    """It is named, so that it can be made anew."""
    gone, there = await proxies.make(Tool(MINE)), await proxies.make(Tool("see__1"))
    await proxies.delete(gone)
    lent = {MINE: gone, "see__1": there}
    assert await proxies.lend(milo.id, lent, ending=ENDING) == [MINE]
    assert set(milo.tools) == {"save", "see__1"}


async def test_an_agent_that_is_gone(proxies):
    """It is said."""
    with pytest.raises(LettaError) as caught:
        await proxies.lend("agent-00000000-0000-4000-8000-000000000000", {}, ending=ENDING)
    assert caught.value.status == 404


async def test_awaited(fake, milo, proxies):
    """Whose calls wait for what, hidden agents' too."""
    ghost = fake.add_agent("Ghost", hidden=True)
    await proxies.lend(ghost.id, {MINE: await proxies.make(Tool(MINE))}, ending=ENDING)
    assert await proxies.awaited() == {milo.id: ["save"], ghost.id: [MINE]}
