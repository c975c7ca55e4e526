from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.errors import Reject
from gateway.testing.fakeletta import Fault
from gateway.testing.kit import ManualClock
from tests.plugins.agents import find, housed, listings, models, refused
from tests.plugins.client import refusal
from tests.plugins.house import until


LISTING = r"^/v1/agents/$"


async def test_list_is_kept() -> None:
    """A young list answers without asking Letta."""
    async with housed("Milo", clock=ManualClock()) as (_, house):
        for _ in range(5):
            await find(house, "Milo")
        assert listings(house) == 1


async def test_ageing_list_serves_while_it_is_read_anew() -> None:
    """A list past its age answers at once, and the next request sees the new one."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        await find(house, "Milo")
        next(iter(letta.agents.values())).name = "Bo"
        clock.advance(40)
        rule = letta.fail(Fault(latency=0.05), path=LISTING)
        assert (await find(house, "Milo")).name == "Milo"
        rule.times = 0
        await house.quiet()
        assert (await find(house, "Bo")).name == "Bo"
        await refused(house, "Milo")


async def test_swapped_names_after_a_quiet_night() -> None:
    """A list of long ago is not trusted: two agents may have swapped their names since."""
    clock = ManualClock()
    async with housed("Milo", "Bo", clock=clock) as (letta, house):
        milo, bo = letta.agents.values()
        assert (await find(house, "Milo")).id == milo.id
        milo.name, bo.name = "Bo", "Milo"
        clock.advance(8 * 3600)
        assert (await find(house, "Milo")).id == bo.id
        assert (await find(house, "Bo")).id == milo.id


async def test_model_list_is_never_old() -> None:
    """The list of models shows what is at Letta now, not what was there when last asked."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        assert await models(house) == ["Milo"]
        letta.add_agent("Bo")
        clock.advance(5)
        assert await models(house) == ["Milo", "Bo"]


async def test_new_agent_is_found_at_a_miss() -> None:
    """A name that is not in the list is looked for at Letta before it is refused."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        await find(house, "Milo")
        letta.add_agent("Bo")
        clock.advance(2)
        assert (await find(house, "Bo")).name == "Bo"


async def test_misses_do_not_list_each_time() -> None:
    """Asking for an unknown model in a loop lists the agents once a second at most."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (_, house):
        for _ in range(20):
            await refused(house, "nobody")
        assert listings(house) == 1
        clock.advance(1.5)
        await refused(house, "nobody")
        assert listings(house) == 2


async def gathered(*asked: Any) -> Sequence[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_first_requests_share_one_listing() -> None:
    """Fifty requests at once on an empty list ask Letta once."""
    async with housed("Milo") as (_, house):
        found = await gathered(*(find(house, "Milo") for _ in range(50)))
        assert {agent.name for agent in found} == {"Milo"}
        assert listings(house) == 1


async def test_ageing_list_is_read_once() -> None:
    """Fifty requests at once on a list past its age start one listing."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        await find(house, "Milo")
        letta.requests.clear()
        clock.advance(40)
        await gathered(*(find(house, "Milo") for _ in range(50)))
        await house.quiet()
        assert listings(house) == 1


async def test_misses_share_one_listing() -> None:
    """Fifty misses at once make one listing, and all are refused."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        await find(house, "Milo")
        letta.requests.clear()
        clock.advance(5)
        found = await gathered(*(find(house, "nobody") for _ in range(50)))
        assert all(isinstance(each, Reject) and each.status == 404 for each in found)
        assert listings(house) == 1


async def test_failed_listing_is_shared() -> None:
    """When Letta is down, fifty requests at once fail with one try, not one after the other."""
    async with housed("Milo") as (letta, house):
        letta.fail(Fault(status=400), path=LISTING)
        found = await gathered(*(find(house, "Milo") for _ in range(50)))
        assert all(isinstance(each, Reject) and each.status == 400 for each in found)
        assert listings(house) == 1


async def test_whoever_leaves_does_not_stop_the_listing() -> None:
    """A request that is given up leaves the listing to the others that wait for it."""
    async with housed("Milo") as (letta, house):
        letta.fail(Fault(latency=0.05), path=LISTING)
        first = asyncio.create_task(find(house, "Milo"))
        second = asyncio.create_task(find(house, "Milo"))
        await until(lambda: letta.requests)
        first.cancel()
        assert (await second).name == "Milo"
        assert first.cancelled()
        assert listings(house) == 1


async def test_letta_down_with_a_list() -> None:
    """While Letta is down the last list serves, however old, and a miss says why."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        await find(house, "Milo")
        rule = letta.fail(Fault(status=400), path=LISTING)
        for age in (5, 40, 3600):
            clock.advance(age)
            assert (await find(house, "Milo")).name == "Milo"
            await house.quiet()
        assert (await refusal(find(house, "nobody"))).status == 400
        rule.times = 0
        await refused(house, "nobody")


async def test_letta_down_at_the_start() -> None:
    """Without any list a request gets Letta's failure, and the next one tries again."""
    async with housed("Milo") as (letta, house):
        rule = letta.fail(Fault(status=400), path=LISTING)
        assert (await refusal(find(house, "Milo"))).status == 400
        rule.times = 0
        assert (await find(house, "Milo")).name == "Milo"


async def test_read_before_anybody_asks() -> None:
    """The list is there soon after the start, so that the first request does not wait for it."""
    async with housed("Milo") as (letta, house):
        await until(lambda: letta.requests)
        await house.quiet()
        letta.fail(Fault(status=400), path=LISTING)
        assert (await find(house, "Milo")).name == "Milo"
        assert listings(house) == 1


async def test_read_while_nobody_asks() -> None:
    """After a night without a request the list is as young as ever: nobody waits for it."""
    clock = ManualClock()
    async with housed("Milo", "Bo", clock=clock) as (letta, house):
        await find(house, "Milo")
        milo, bo = letta.agents.values()
        milo.name, bo.name = "Bo", "Milo"
        for _ in range(10):
            clock.advance(30)
            await house.quiet()
        letta.fail(Fault(status=400), path=LISTING)
        assert (await find(house, "Milo")).id == bo.id
        assert listings(house) == 11


async def test_read_for_each_request() -> None:
    """With no time to keep it for, the list is read when it is asked for and not otherwise."""
    clock = ManualClock()
    async with housed("Milo", clock=clock, refresh_seconds=0) as (_, house):
        for asked in range(3):
            clock.advance(60)
            await house.quiet()
            assert listings(house) == asked
            await find(house, "Milo")


async def test_no_reading_after_the_end() -> None:
    """A plugin that has been closed, by a reload for example, asks Letta for nothing."""
    clock = ManualClock()
    async with housed("Milo", clock=clock) as (letta, house):
        await find(house, "Milo")
        plugin = house.pipeline.steps[0].plugin
        async with plugin.lifespan(plugin._services):
            pass
        letta.requests.clear()
        clock.advance(60)
        await house.quiet()
        assert listings(house) == 0
