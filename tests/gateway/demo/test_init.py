"""The demo's Letta."""

from __future__ import annotations

from letta_client import AsyncLetta

from gateway.demo import AGENTS, demo_letta


async def test_all_agents_are_there() -> None:
    """Every agent is there, under a name of its own, with prompts to try; Milo comes first."""
    async with demo_letta() as letta, AsyncLetta(base_url=letta.url, api_key="any") as client:
        names = [agent.name async for agent in client.agents.list(order="asc")]
    assert names == [agent.name for agent in AGENTS]
    assert (names[0], len(set(names))) == ("Milo", len(AGENTS))
    assert all(agent.prompts and agent.description for agent in AGENTS)
