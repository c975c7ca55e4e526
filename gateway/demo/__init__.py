"""The built-in demo: a make-believe Letta with agents to try everything on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.demo.agents import AGENTS, DemoAgent, in_character
from gateway.testing.fakeletta import FakeLetta


__all__ = ["AGENTS", "DemoAgent", "demo_letta"]


@asynccontextmanager
async def demo_letta(port: int = 0, *, pace: float = 1.0) -> AsyncIterator[FakeLetta]:
    """
    A running FakeLetta with the demo's agents, on loopback.

    Args:
        port: Where it listens; 0 takes a free port.
        pace: Stretches the time that the agents take; 0 makes them instant.
    """
    async with FakeLetta(port=port, pace=pace) as letta:
        for agent in AGENTS:
            letta.add_agent(
                agent.name,
                type=agent.type,
                description=agent.description,
                tags=("demo",),
                tools=agent.tools,
                script=in_character(agent.script),
                metadata={"prompts": list(agent.prompts)},
            )
        yield letta
