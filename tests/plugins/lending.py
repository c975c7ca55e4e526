"""Agents that are lent proxies of their clients' tools, and what is left of those."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.testing.fakeletta import Ask, FakeAgent, FakeLetta, Step
from gateway.testing.fakeletta.scenarios import by_rules
from tests.plugins.client import LOOKUP
from tests.plugins.house import House
from tests.plugins.tool_client import bridged, milo


OLDER = ["memgpt_agent", "memgpt_v2_agent"]
PROXY = re.compile(r"__[0-9a-f]{14}\Z")
OWN_RULE = {
    "tool_name": "lookup",
    "type": "max_count_per_step",
    "prompt_template": None,
    "max_count_limit": 5,
}


@asynccontextmanager
async def lending(
    type: str = "memgpt_v2_agent", *, tokens: bool = False, **settings: Any
) -> AsyncIterator[House]:
    """
    One agent, Milo, of an older type, who can look things up.

    The settings are those of `bridged`; those in `letta` are FakeLetta's.
    """
    async with FakeLetta(pace=0.01, **settings.pop("letta", {})) as letta:
        agent = letta.add_agent("Milo", type=type, tools=[LOOKUP])
        agent.tool_rules.append(dict(OWN_RULE))
        agents = {"older_agents": "tokens" if tokens else "steps"}
        async with bridged(letta, agents=agents, **settings) as house:
            yield house


def untouched(agent: FakeAgent) -> bool:
    """Whether the agent has its own tools and rules, and no others."""
    return list(agent.tools) == ["lookup"] and agent.tool_rules == [OWN_RULE]


def proxies(letta: FakeLetta) -> list[str]:
    """What the proxies at Letta stand for."""
    names = (tool.name for tool in letta.tools.values())
    return [PROXY.sub("", name) for name in names if PROXY.search(name)]


def shown(house: House) -> list[list[str]]:
    """
    The tools that the agent's model is shown, each time.

    The agent must not have a script of its own.
    """
    agent, seen = milo(house), list[list[str]]()

    def script(ask: Ask) -> Sequence[Step]:
        seen.append([PROXY.sub("", tool) for tool in ask.tools])
        return by_rules(ask.said)

    agent.script = script
    return seen


def results(house: House) -> list[str]:
    """What the agent was told that its calls gave back."""
    return [each.text for message in milo(house).context.log for each in message.returns][1:]
