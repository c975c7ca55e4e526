"""Leases: order, bounds, and what cancelling may not break."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store.leases import Held, Leases


async def holding(leases: Leases) -> Held:
    held = await leases.lease("lane", wait=0, queue=0)
    assert held is not None
    return held


async def waiting(leases: Leases, *, queue: int = 100) -> asyncio.Task[Held | None]:
    """A task that stands in the queue."""
    task = asyncio.create_task(leases.lease("lane", wait=60, queue=queue))
    await asyncio.sleep(0)
    return task


async def is_free(leases: Leases) -> bool:
    return await leases.lease("lane", wait=0, queue=0) is not None


async def test_first_come_first_served():
    """Those who wait get the name in the order in which they came."""
    leases = Leases()
    order: list[int] = []

    async def work(number: int):
        held = await leases.lease("lane", wait=60, queue=100)
        assert held is not None
        order.append(number)
        await asyncio.sleep(0)
        await held.release()

    await asyncio.gather(*(work(number) for number in range(50)))
    assert order == list(range(50))


async def test_a_newcomer_does_not_overtake():
    """A name that is released while somebody waits is theirs before they even run."""
    leases = Leases()
    held = await holding(leases)
    waiter = await waiting(leases)
    await held.release()
    assert not await is_free(leases)
    assert await waiter is not None


async def test_a_full_queue_refuses_at_once():
    """One more than may wait gets None, and who waited before still waits."""
    leases = Leases()
    held = await holding(leases)
    waiters = [await waiting(leases, queue=2) for _ in range(2)]
    assert await leases.lease("lane", wait=60, queue=2) is None
    assert not any(waiter.done() for waiter in waiters)
    await held.release()
    first = await waiters[0]
    assert first is not None
    await first.release()
    assert await waiters[1] is not None


@pytest.mark.parametrize("wait", [-1, 0, 0.001])
async def test_a_wait_has_an_end(wait: float):
    """Who waited long enough gets None, stands in no queue and gets nothing later."""
    leases = Leases()
    held = await holding(leases)
    assert await leases.lease("lane", wait=wait, queue=1) is None
    await held.release()
    assert await is_free(leases)


async def test_no_wait_is_needed_for_a_free_name():
    """A name that nobody holds is had even by who will not wait."""
    assert await Leases().lease("lane", wait=-1, queue=0) is not None


async def test_releasing_twice_does_nothing():
    """The second release takes the name from nobody."""
    leases = Leases()
    held = await holding(leases)
    await held.release()
    second = await holding(leases)
    await held.release()
    assert not await is_free(leases)
    await second.release()
    assert await is_free(leases)


async def test_a_cancelled_waiter_leaves_the_queue():
    """The name goes past who was cancelled to the next one."""
    leases = Leases()
    held = await holding(leases)
    gone, next_one = await waiting(leases), await waiting(leases)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await held.release()
    assert await next_one is not None


@pytest.mark.parametrize("release_first", [True, False])
async def test_cancelled_at_the_moment_of_the_lease(release_first: bool):
    """A name that comes in the same moment as the cancelling is passed on."""
    leases = Leases()
    held = await holding(leases)
    gone, next_one = await waiting(leases), await waiting(leases)
    if release_first:
        await held.release()
        gone.cancel()
    else:
        gone.cancel()
        await held.release()
    with pytest.raises(asyncio.CancelledError):
        await gone
    second = await next_one
    assert second is not None
    await second.release()
    assert await is_free(leases)


async def test_all_cancelled_at_the_moment_of_the_lease():
    """A name that is passed on by one cancelled waiter after the other ends up free."""
    leases = Leases()
    held = await holding(leases)
    waiters = [await waiting(leases) for _ in range(10)]
    await held.release()
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
    assert all(waiter.cancelled() for waiter in waiters)
    assert await is_free(leases)


async def test_a_waiter_that_is_closed_leaves_the_queue():
    """A wait that ends because its coroutine is closed keeps nothing either."""
    leases = Leases()
    held = await holding(leases)
    wait = leases.lease("lane", wait=60, queue=1)
    wait.send(None)
    wait.close()
    await held.release()
    assert await is_free(leases)


@pytest.mark.parametrize("steps", range(6))
async def test_cancelled_after_any_number_of_steps(steps: int):
    """Wherever the cancelling strikes, the name is either held by its holder or free."""
    leases = Leases()
    held = await holding(leases)
    task = asyncio.create_task(leases.lease("lane", wait=60, queue=1))
    await asyncio.sleep(0)
    await held.release()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    mine = None if task.cancelled() else task.result()
    assert await is_free(leases) is (mine is None)


async def test_names_that_nobody_holds_take_no_memory():
    """Ten thousand names held and released leave nothing behind."""
    leases = Leases()
    for number in range(10_000):
        held = await leases.lease(f"lane{number}", wait=0, queue=0)
        assert held is not None
        await held.release()
    assert leases == Leases()
