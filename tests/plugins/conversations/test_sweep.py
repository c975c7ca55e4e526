from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from gateway.plugin import Services
from gateway.testing.fakeletta import Fault
from plugins.conversations import sweep
from plugins.conversations.scratch import SUMMARY, summary_of
from tests.gateway.lane import logged
from tests.plugins.client import Client
from tests.plugins.house import House, until
from tests.plugins.tool_client import ONE, ToolClient, bridged, tooled


HOUR = 3600.0


@pytest.fixture(name="house")
async def _house() -> AsyncIterator[House]:
    async with tooled() as house:
        yield house


@pytest.fixture(name="services")
def _services(house: House) -> Services:
    """What the plugins of this house have."""
    return house.pipeline.steps[1].plugin.services


async def left_behind(house: House, count: int = 1) -> list[str]:
    """Scratch conversations in which calls wait for ever."""
    for _ in range(count):
        await ToolClient(house, "Milo").say(ONE)
    return house.conversations("scratch")


async def test_what_was_left_behind(house: House, services: Services) -> None:
    """Scratch conversations are deleted when they are old enough, and no others."""
    await Client(house, "Milo", "chat-1").say("hi")
    await left_behind(house, 3)
    assert await sweep.sweep(services, time.time() + HOUR - 60, HOUR) == 0
    assert len(house.conversations("scratch")) == 3
    assert await sweep.sweep(services, time.time() + HOUR + 60, HOUR) == 3
    assert house.conversations("scratch") == []
    assert len(house.conversations()) == 1


async def test_a_summary_that_only_begins_alike(house: House, services: Services) -> None:
    """Somebody's own conversation is not ours, whatever it is called."""
    agent = next(iter(house.letta.agents))
    summaries = (f"{SUMMARY}, mine", f"{summary_of(0)}ausages", f"My {summary_of(0)}")
    theirs = [await services.letta.create_conversation(agent, summary=each) for each in summaries]
    assert await sweep.sweep(services, time.time() + 60, 0) == 0
    assert list(house.letta.conversations) == theirs


async def test_each_is_kept_as_long_as_its_own_gateway_wants(
    house: House, services: Services
) -> None:
    """Whoever tidies up; those that do not say it are kept as long as one's own."""
    agent = next(iter(house.letta.agents))
    for summary in (summary_of(10 * HOUR), summary_of(60), SUMMARY):
        await services.letta.create_conversation(agent, summary=summary)
    assert await sweep.sweep(services, time.time() + 120, HOUR) == 1
    assert house.conversations("kept for 60 s") == []
    assert await sweep.sweep(services, time.time() + HOUR + 60, HOUR) == 1
    assert len(house.conversations("kept for 36000 s")) == len(house.conversations()) == 1
    assert await sweep.sweep(services, time.time() + 10 * HOUR + 60, HOUR) == 1


async def test_one_that_cannot_be_deleted(house: House, services: Services) -> None:
    """The others are, and the log says which stays."""
    first, *_ = await left_behind(house, 3)
    house.letta.fail(Fault(status=400), path=first, method="DELETE")
    with logged() as lines:
        assert await sweep.sweep(services, time.time() + HOUR + 60, HOUR) == 2
    assert first in lines[0]
    assert house.conversations("scratch") == [first]


async def test_many(house: House, services: Services) -> None:
    """All pages of them."""
    agent = next(iter(house.letta.agents))
    for _ in range(205):
        await services.letta.create_conversation(agent, summary=SUMMARY)
    assert await sweep.sweep(services, time.time() + HOUR + 60, HOUR) == 205


async def test_at_the_start(
    house: House, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that comes up after a crash tidies up what is old enough by then."""
    monkeypatch.setattr(sweep, "GRACE_SECONDS", -60.0)
    agent = next(iter(house.letta.agents))
    await services.letta.create_conversation(agent, summary=summary_of(0))
    async with bridged(house.letta) as restarted:
        await until(lambda: not restarted.conversations("scratch"))


async def test_letta_does_not_answer_then(house: House) -> None:
    """The gateway starts all the same, and says so."""
    rule = house.letta.fail(Fault(status=400), path="/v1/conversations/$", method="GET")
    with logged("DEBUG") as lines:
        async with bridged(house.letta):
            await until(lambda: any("old scratch conversations stay" in line for line in lines))
    rule.times = 0
