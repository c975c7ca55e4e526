"""The list of agents over FakeLetta, and what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.call import Agent, Call
from gateway.services import Clock, Context
from gateway.testing.fakeletta import FakeLetta
from tests.plugins.client import refusal, user
from tests.plugins.house import House, built


@asynccontextmanager
async def housed(
    *names: str, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[tuple[FakeLetta, House]]:
    """Agents of these names; the settings are those of `agent_resolver`."""
    async with FakeLetta(pace=0) as letta:
        for name in names:
            letta.add_agent(name)
        async with built(letta, clock=clock, agents=settings) as house:
            yield letta, house


async def models(house: House) -> list[str]:
    """The ids of the models that are listed."""
    found = await house.pipeline.models(Context("test", house.clock))
    return [model.id for model in found]


async def find(house: House, model: str) -> Agent:
    """The agent that a request for this model is for."""
    turn = house.pipeline.steps[0].plugin.begin(Context("test", house.clock))
    call = await turn.prepare(Call(model, (user("hi"),)))
    assert call.agent is not None
    return call.agent


async def refused(house: House, model: str) -> str:
    """Why there is no such model."""
    reject = await refusal(find(house, model))
    assert (reject.status, reject.code, reject.param) == (404, "model_not_found", "model")
    assert not reject.retry
    return reject.message


def listings(house: House) -> int:
    """How many times all agents were listed."""
    firsts = (r for r in house.letta.requests if r.path == "/v1/agents/" and "after" not in r.query)
    return len(list(firsts))
