"""Proxies of clients' tools: what they are called, and how an agent comes by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from gateway.errors import Reject
from gateway.plugin import Services, Tool
from gateway.testing.fakeletta import FakeAgent, FakeLetta
from gateway.testing.kit import ManualClock
from plugins.calls.proxies import FRESH_SECONDS, Lender, owner_of, proxy_of
from tests.gateway.letta.loopback import connected
from tests.plugins.lending import proxies
from tests.plugins.watched import Watched


LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})


class TestNames:
    def test_says_what_it_stands_for(self):
        """People who see it at Letta, and models, are to know it."""
        proxy = proxy_of(LOOK, "abcdef")
        assert proxy.name.startswith("look__")
        assert owner_of(proxy.name) == "abcdef"
        assert (proxy.description, proxy.parameters["required"]) == ("Looks.", [])

    @pytest.mark.parametrize(
        "other",
        [
            attrs.evolve(LOOK, name="book"),
            attrs.evolve(LOOK, description="Looks well."),
            attrs.evolve(LOOK, parameters={"type": "object"}),
        ],
    )
    def test_another_tool(self, other):
        """Whatever differs, it is another: at Letta a name belongs to everybody."""
        names = {proxy_of(tool, "abcdef").name for tool in (LOOK, other, LOOK)}
        assert len(names) == 2

    def test_another_owner(self):
        """Gateways that know nothing of each other share nothing."""
        assert proxy_of(LOOK, "abcdef").name != proxy_of(LOOK, "fedcba").name

    @pytest.mark.parametrize("name", ["look", "look__abc", "look__0123456789abcdef"])
    def test_no_proxy(self, name):
        """Other tools belong to nobody."""
        assert owner_of(name) == ""


@pytest.fixture
async def fake() -> AsyncIterator[FakeLetta]:
    async with FakeLetta() as made:
        yield made


@pytest.fixture
def milo(fake) -> FakeAgent:
    agent: FakeAgent = fake.add_agent("Milo")
    return agent


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def services(fake, clock) -> AsyncIterator[Services]:
    async with connected(fake.url) as letta:
        yield Services(letta, Watched(), clock, letta.logger, lambda work: work.close())


@pytest.fixture
def lender(services) -> Lender:
    return Lender(services, wait=0.0, queue=0)


def made(fake: FakeLetta) -> int:
    """How many times a proxy was made, or noted to be in use."""
    return sum(request.method == "PUT" for request in fake.requests)


async def test_owner(services):
    """It stays the same for all who share a store, and is another's with another."""
    one, same = Lender(services, 0, 0), Lender(services, 0, 0)
    other = Lender(attrs.evolve(services, store=Watched()), 0, 0)
    owners = [await each.owner() for each in (one, same, one, other)]
    assert owners[0] == owners[1] == owners[2] != owners[3]
    assert owner_of(proxy_of(LOOK, owners[0]).name) == owners[0]


async def test_one_at_a_time(lender, milo):
    """Whoever comes meanwhile is refused when the waiting is over."""
    lease = await lender.hold(milo.id)
    with pytest.raises(Reject) as caught:
        await lender.hold(milo.id)
    assert (caught.value.status, caught.value.retry) == (409, False)
    await lease.release()
    await lender.hold(milo.id)


async def test_lend_and_take_back(fake, milo, lender):
    """The agent has proxies, by names that the bridge is told, until they are taken back."""
    names = await lender.lend(milo.id, [LOOK])
    assert list(milo.tools) == [names["look"]]
    assert milo.waits(names["look"])
    await lender.take_back(milo.id)
    assert (milo.tools, milo.tool_rules) == ({}, [])


async def test_made_once(fake, milo, lender, clock):
    """What was made lately is taken to be there still; else Letta is told of its use."""
    assert lender.idle
    for seconds, times in ((0, 1), (FRESH_SECONDS - 1, 1), (2, 2)):
        clock.advance(seconds)
        await lender.lend(milo.id, [LOOK])
        assert made(fake) == times
    assert not lender.idle
    assert proxies(fake) == ["look"]


async def test_one_that_is_gone(fake, milo, lender):
    """It is made anew."""
    await lender.lend(milo.id, [LOOK])
    (proxy,) = fake.tools
    await lender.take_back(milo.id)
    await lender.services.letta.proxies.delete(proxy)
    names = await lender.lend(milo.id, [LOOK])
    assert list(milo.tools) == [names["look"]]


async def test_recover(milo, lender):
    """What was lent and not taken back is taken back when the agent is next held."""
    await lender.lend(milo.id, [LOOK])
    await lender.recover(milo.id)
    assert milo.tools == {}


async def test_nothing_to_recover(fake, milo, lender):
    """It costs nothing."""
    await lender.recover(milo.id)
    assert not fake.requests


async def test_at_once(fake, milo, lender):
    """Two agents may be lent the same at once."""
    ada = fake.add_agent("Ada")
    await asyncio.gather(lender.lend(milo.id, [LOOK]), lender.lend(ada.id, [LOOK]))
    assert list(milo.tools) == list(ada.tools)
    assert proxies(fake) == ["look"]
