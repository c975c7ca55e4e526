"""The way in which an agent gets its clients' tools is chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.plugin import Agent, Services
from gateway.testing.fakeletta import FakeLetta, Fault
from gateway.testing.kit import ManualClock
from plugins.calls.proxies import Lender
from plugins.calls.ways import ByProxy, ClientSide, Strategy, Ways
from tests.gateway.letta.loopback import connected
from tests.plugins.watched import Watched


MODERN, OLDER = Agent("agent-1", "Milo"), Agent("agent-2", "Memo", "memgpt_agent")


@pytest.fixture
async def fake() -> AsyncIterator[FakeLetta]:
    async with FakeLetta() as made:
        yield made


@pytest.fixture
async def services(fake) -> AsyncIterator[Services]:
    async with connected(fake.url) as letta:
        yield Services(letta, Watched(), ManualClock(), letta.logger, lambda work: work.close())


def ways(services: Services, strategy: Strategy = "auto") -> Ways:
    return Ways(services, strategy, Lender(services, 0, 0))


@pytest.mark.parametrize(
    ("strategy", "modern", "older"),
    [
        ("auto", ClientSide, ByProxy),
        ("client", ClientSide, type(None)),
        ("proxy", ByProxy, ByProxy),
    ],
)
async def test_strategy(services, strategy, modern, older):
    """As the agent can, unless the operator says how."""
    chosen = ways(services, strategy)
    assert type(await chosen.choose(MODERN)) is modern
    assert type(await chosen.choose(OLDER)) is older


@pytest.mark.parametrize(
    ("version", "way"),
    [("0.16.1", ByProxy), ("0.16.2", ClientSide), ("0.17.0", ClientSide), ("1.0.0", ClientSide)],
)
async def test_version(services, fake, version, way):
    """Letta knows clients' tools since 0.16.2; it is asked once."""
    fake._state.version = version
    chosen = ways(services)
    for _ in range(2):
        assert type(await chosen.choose(MODERN)) is way
    assert [request.path for request in fake.requests] == ["/v1/health/"]


async def test_a_version_that_says_nothing(services, fake):
    """It is taken for a new one."""
    fake._state.version = ""
    assert type(await ways(services).choose(MODERN)) is ClientSide


async def test_a_server_that_does_not_answer(services, fake):
    """It is taken for a new one, and asked again the next time."""
    chosen, rule = ways(services), fake.fail(Fault(status=404), path="/v1/health/")
    assert type(await chosen.choose(MODERN)) is ClientSide
    rule.times, fake._state.version = 0, "0.16.1"
    assert type(await chosen.choose(MODERN)) is ByProxy


async def test_plain_requests_hold_the_agent(services, fake):
    """One who brings no tools would have those that another brought."""
    agent = fake.add_agent("Milo", type="memgpt_agent")
    chosen = ways(services)
    way = await chosen.choose(Agent(agent.id, "Milo", agent.type))
    assert isinstance(way, ByProxy)
    await way.enter()
    assert await chosen.lender.held(agent.id) is None
