"""Leases in Redis: order, bounds, cancelling and what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from loguru import logger

from gateway.store.redis import RedisStore, connect, open_redis
from gateway.store.redis_lease import RedisLeases
from gateway.store.redis_scripts import JOIN, RENEW
from tests.gateway.store.redis_line import LEASE_SECONDS, Late, Line, holding, is_free
from tests.gateway.store.redis_server import RedisServer, until


pytestmark = pytest.mark.needs_command("redis-server", package="redis-server")


@pytest.fixture
async def late(redis_server: RedisServer) -> AsyncIterator[Late]:
    server = connect(redis_server.url)
    yield Late(server)
    await server.close()


async def test_first_come_first_served_over_two_clients(
    two: tuple[RedisStore, RedisStore], line: Line
):
    """Those who wait get the name in the order in which they came, whichever client they use."""
    held = await holding(two[0])
    waiters = [await line.joined(two[number % 3 % 2]) for number in range(12)]
    for waiter in waiters:
        assert not any(task.done() for task in waiters[waiters.index(waiter) :])
        await held.release()
        next_one = await waiter
        assert next_one is not None
        held = next_one
    await held.release()
    assert await is_free(two[1])


async def test_two_hundred_waiters(redis_server: RedisServer):
    """
    Two hundred that want a name at once have it one after the other, and it ends up free.

    Each is told when its turn comes: did they find out by asking now and then, as often as
    they do, it would take ten minutes.
    """
    holders = 0

    async def work(store: RedisStore):
        nonlocal holders
        held = await store.lease("lane", wait=60, queue=200)
        assert held is not None
        holders += 1
        assert holders == 1
        await asyncio.sleep(0)
        holders -= 1
        await held.release()

    async with (
        open_redis(redis_server.url, logger=logger) as one,
        open_redis(redis_server.url, logger=logger) as two,
    ):
        await asyncio.gather(*(work((one, two)[number % 2]) for number in range(200)))
        assert await is_free(one)


async def test_a_full_queue_refuses_at_once(two: tuple[RedisStore, RedisStore], line: Line):
    """The bound holds for all clients together, and who waited before still waits."""
    held = await holding(two[0])
    waiters = [await line.joined(store) for store in two]
    for store in two:
        assert await store.lease("lane", wait=60, queue=2) is None
    assert not any(waiter.done() for waiter in waiters)
    await held.release()
    assert await waiters[0] is not None


@pytest.mark.parametrize("wait", [-1, 0, 0.001, 0.1])
async def test_a_wait_has_an_end(two: tuple[RedisStore, RedisStore], wait: float):
    """Who waited long enough gets None, stands in no queue and gets nothing later."""
    held = await holding(two[0])
    assert await two[1].lease("lane", wait=wait, queue=1) is None
    await held.release()
    assert await is_free(two[0])


async def test_a_newcomer_does_not_overtake(two: tuple[RedisStore, RedisStore], line: Line):
    """A name that is released while somebody waits is theirs at once."""
    held = await holding(two[0])
    waiter = await line.joined(two[1])
    await held.release()
    assert not await is_free(two[0])
    assert await waiter is not None


async def test_releasing_twice_does_nothing(store: RedisStore):
    """The second release takes the name from nobody."""
    held = await holding(store)
    await held.release()
    second = await holding(store)
    await held.release()
    assert not await is_free(store)
    await second.release()
    assert await is_free(store)


async def test_a_holder_that_lives_keeps_it(two: tuple[RedisStore, RedisStore], line: Line):
    """A lease that is held for longer than it would outlive its process stays held."""
    held = await holding(two[0])
    waiter = await line.joined(two[1])
    assert await two[1].lease("lane", wait=2.5 * LEASE_SECONDS, queue=2) is None
    assert not waiter.done()
    await held.release()
    assert await waiter is not None


async def test_a_cancelled_waiter_leaves_the_queue(two: tuple[RedisStore, RedisStore], line: Line):
    """The name goes past who was cancelled to the next one."""
    held = await holding(two[0])
    gone, next_one = await line.joined(two[0]), await line.joined(two[1])
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await line.has(2)
    await held.release()
    assert await next_one is not None


@pytest.mark.parametrize("release_first", [True, False])
async def test_cancelled_at_the_moment_of_the_lease(
    two: tuple[RedisStore, RedisStore], line: Line, release_first: bool
):
    """A name that comes in the same moment as the cancelling is passed on."""
    held = await holding(two[0])
    gone, next_one = await line.joined(two[0]), await line.joined(two[1])
    releasing = asyncio.create_task(held.release())
    if release_first:
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone, releasing])
    second = await next_one
    assert second is not None
    await second.release()
    assert await is_free(two[0])


@pytest.mark.parametrize("steps", range(0, 60, 2))
async def test_cancelled_after_any_number_of_steps(store: RedisStore, line: Line, steps: int):
    """Wherever the cancelling strikes, the name is either held by its holder or free."""
    held = await holding(store)
    task = asyncio.create_task(store.lease("lane", wait=60, queue=1))
    releasing = asyncio.create_task(held.release())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task, releasing])
    mine = None if task.cancelled() else task.result()
    await line.has(0 if mine is None else 1)


async def test_leaving_does_not_overtake_joining(late: Late, line: Line):
    """Who is cancelled before Redis has heard of them is not in the line afterwards."""
    leases = RedisLeases(late, logger)
    late.hold_back(JOIN)
    task = asyncio.create_task(leases.lease("lane", wait=60, queue=1))
    await late.asked.wait()
    task.cancel()
    await asyncio.wait([task])
    late.let_go()
    await leases.close()
    await late.finish()
    assert line.length() == 0


async def test_a_renewal_that_is_late(late: Late, line: Line, warnings: list[str]):
    """A name that was released while it was being renewed is free, and nobody is warned."""
    leases = RedisLeases(late, logger, LEASE_SECONDS)
    held = await leases.lease("lane", wait=0, queue=0)
    assert held is not None
    late.hold_back(RENEW)
    await late.asked.wait()
    await held.release()
    late.let_go()
    await late.finish()
    await leases.close()
    assert line.length() == 0
    assert not warnings


async def test_taking_back_that_is_late(late: Late, line: Line):
    """A name that was released while it was being taken back is free."""
    leases = RedisLeases(late, logger, LEASE_SECONDS)
    held = await leases.lease("lane", wait=0, queue=0)
    assert held is not None
    late.hold_back(JOIN)
    line.forget()
    await late.asked.wait()
    await held.release()
    late.let_go()
    await leases.close()
    assert line.length() == 0


async def test_joining_that_is_late(late: Late):
    """A place that Redis has not heard of yet is not lost when others are renewed."""
    leases = RedisLeases(late, logger, LEASE_SECONDS)
    other = await leases.lease("other", wait=0, queue=0)
    late.hold_back(JOIN)
    task = asyncio.create_task(leases.lease("lane", wait=60, queue=1))
    await late.asked.wait()
    late.renewals = 0
    await until(lambda: late.renewals >= 2)
    late.let_go()
    assert await task is not None
    assert other is not None
    await leases.close()


async def test_cancelling_a_release_releases(store: RedisStore):
    """Who is cancelled while giving a name back has given it back."""
    held = await holding(store)
    releasing = asyncio.create_task(held.release())
    await asyncio.sleep(0)
    releasing.cancel()
    await asyncio.wait([releasing])
    assert await store.lease("lane", wait=60, queue=1) is not None


async def test_closing_waits_for_releases(two: tuple[RedisStore, RedisStore], line: Line):
    """A name that is being given back when the store is closed is free at once."""
    async with open_redis(line.server.url, logger=logger) as closing:
        held = await holding(closing)
        releasing = asyncio.create_task(held.release())
        await asyncio.sleep(0)
    await releasing
    assert await is_free(two[0])


async def test_what_a_lease_costs(redis_server: RedisServer):
    """Holding a name costs one command, releasing it another, and hearing that it is held one."""
    async with open_redis(redis_server.url, logger=logger) as store:
        await (await holding(store)).release()
        redis_server.ask("CONFIG", "RESETSTAT")
        for _ in range(10):
            held = await holding(store)
            assert await store.lease("lane", wait=0, queue=5) is None
            await held.release()
        stats = redis_server.ask("INFO", "commandstats")
    assert isinstance(stats, dict)
    assert stats["cmdstat_evalsha"]["calls"] == 30
    assert "cmdstat_blpop" not in stats


async def test_nothing_is_kept_of_what_is_over(store: RedisStore, redis_server: RedisServer):
    """Names that were held and released leave nothing in Redis."""
    for number in range(200):
        held = await store.lease(f"lane{number}", wait=0, queue=0)
        assert held is not None
        await held.release()
    assert redis_server.ask("DBSIZE") == 0
