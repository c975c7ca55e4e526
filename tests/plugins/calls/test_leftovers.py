"""Proxies that nobody uses are deleted, and nobody's whom somebody uses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar

import attrs
import pytest

from gateway.letta.client import LettaAPI
from gateway.letta.tools import ProxyTools
from gateway.plugin import Services, Tool
from gateway.testing.fakeletta import FakeAgent, FakeLetta, Fault
from gateway.testing.kit import ManualClock
from plugins.calls.leftovers import IDLE_SECONDS, tidied, tidy
from plugins.calls.proxies import Lender
from tests.gateway.lane import logged
from tests.gateway.letta.loopback import connected
from tests.plugins.house import until
from tests.plugins.lending import proxies
from tests.plugins.watched import Watched


LOOK = Tool("look")


@pytest.fixture
async def fake() -> AsyncIterator[FakeLetta]:
    async with FakeLetta() as made:
        yield made


@pytest.fixture
def milo(fake) -> FakeAgent:
    agent: FakeAgent = fake.add_agent("Milo")
    return agent


@pytest.fixture
async def services(fake) -> AsyncIterator[Services]:
    async with connected(fake.url) as letta:
        yield Services(letta, Watched(), ManualClock(), letta.logger, lambda work: work.close())


@pytest.fixture
def mine(services) -> Lender:
    return Lender(services, 0, 0)


@pytest.fixture
def yours(services) -> Lender:
    return Lender(attrs.evolve(services, store=Watched()), 0, 0)


def age(fake: FakeLetta) -> None:
    """Let all proxies have been used for the last time long ago."""
    used = int(time.time() - IDLE_SECONDS) - 1
    for tool in list(fake.tools.values()):
        tags = (tool.tags[0], f"letta-gateway-used:{used}")
        fake.tools[tool.id] = attrs.evolve(tool, tags=tags)  # type: ignore[index]


def clean(agent: FakeAgent) -> bool:
    return not agent.tools and not agent.tool_rules


async def test_nothing_there(fake, mine):
    """It costs one question, and the store is not asked at all."""
    assert await tidy(mine, all_own=True) == 0
    assert {request.path for request in fake.requests} == {"/v1/tools/"}
    assert mine.services.store.done == []


async def test_after_a_crash(fake, milo, mine):
    """All of one's own is taken back and deleted, however new it is."""
    await mine.lend(milo.id, [LOOK, Tool("see")])
    assert await tidy(mine, all_own=True) == 2
    assert clean(milo)
    assert proxies(fake) == []


async def test_while_it_runs(fake, milo, mine):
    """What was used lately may be used again."""
    await mine.lend(milo.id, [LOOK])
    await mine.take_back(milo.id)
    assert await tidy(mine, all_own=False) == 0
    age(fake)
    assert await tidy(mine, all_own=False) == 1


async def test_what_is_lent(fake, milo, mine):
    """Somebody has the agent: what it was lent stays, however old it is."""
    await mine.hold(milo.id)
    await mine.lend(milo.id, [LOOK])
    age(fake)
    assert await tidy(mine, all_own=True) == 0
    assert not clean(milo)


async def test_another_gateways(fake, milo, mine, yours):
    """They stay until they have not been used for long."""
    await yours.lend(milo.id, [LOOK])
    assert await tidy(mine, all_own=True) == 0
    assert not clean(milo)
    age(fake)
    assert await tidy(mine, all_own=False) == 1
    assert clean(milo)


async def test_peoples_own_tools(fake, mine):
    """They are nobody's leftovers, also if they look like some."""
    await mine.services.letta.client.tools.upsert(
        source_code="def f(): pass", json_schema={"name": f"look__01234567{await mine.owner()}"}
    )
    assert await tidy(mine, all_own=True) == 0
    assert len(fake.tools) == 1


async def test_from_start_to_end(fake, milo, mine, services):
    """At the start what was left is deleted, and at the end what was made."""
    await mine.lend(milo.id, [LOOK])
    again = Lender(services, 0, 0)
    async with tidied(again):
        await until(lambda: not proxies(fake))
        lease = await again.hold(milo.id)
        await again.lend(milo.id, [LOOK])
        await again.take_back(milo.id)
        await lease.release()
        assert proxies(fake) == ["look"]
    assert proxies(fake) == []
    assert clean(milo)


async def test_letta_is_down(fake, services):
    """It is said, and nothing else happens."""
    lender = Lender(services, 0, 0)
    fake.fail(Fault(status=400), path="/v1/tools/")
    with logged("DEBUG") as lines:
        async with tidied(lender):
            await until(lambda: any("may be left at Letta" in line for line in lines))


class Delayed(ProxyTools):
    """Letta, where something happens just before proxies are deleted."""

    meanwhile: ClassVar[Callable[[], Awaitable[object]]]

    async def delete(self, proxy_id: str) -> None:
        await type(self).meanwhile()
        await super().delete(proxy_id)


@attrs.frozen
class Deleting(LettaAPI):
    @property
    def proxies(self) -> ProxyTools:
        return Delayed(self.reading)


async def test_what_is_lent_while_others_are_deleted(fake, milo, mine, services):
    """Whoever lends a proxy that is being deleted makes it anew: the agent has it."""
    await mine.lend(milo.id, [LOOK])
    await mine.take_back(milo.id)
    api = services.letta
    slow = Deleting(api.client, api.reading, api.read_seconds, api.logger)
    lending = []

    async def meanwhile() -> None:
        lending.append(asyncio.create_task(mine.lend(milo.id, [LOOK])))
        await until(lambda: milo.tools or mine.services.store.done.count("read") > 8)

    Delayed.meanwhile = meanwhile
    assert await tidy(Lender(attrs.evolve(services, letta=slow), 0, 0), all_own=True) == 1
    await asyncio.gather(*lending)
    assert proxies(fake) == ["look"]
    assert len(milo.tools) == 1


async def test_deleted_between_two_looks(fake, milo, mine, services):
    """Also if all of that happens while they are lent."""
    await mine.lend(milo.id, [LOOK])
    await mine.take_back(milo.id)
    other = Lender(services, 0, 0)
    attach = fake.fail(Fault(latency=0.3), path="tools/attach", times=1)
    lending = asyncio.create_task(mine.lend(milo.id, [LOOK]))
    await until(lambda: attach.times == 0)
    assert await tidy(other, all_own=True) == 1
    await lending
    assert len(milo.tools) == 1


async def test_two_who_tidy_up(fake, milo, mine, services):
    """One does it."""
    await mine.lend(milo.id, [LOOK])
    await mine.take_back(milo.id)
    async with mine.deleting() as alone:
        assert alone
        assert await tidy(Lender(services, 0, 0), all_own=True) == 0
    assert await tidy(mine, all_own=True) == 1
