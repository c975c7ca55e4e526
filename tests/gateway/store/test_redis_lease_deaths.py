"""Leases in Redis when processes, connections or the server itself die."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from gateway.errors import StoreError
from gateway.store.redis import RedisStore, open_redis
from tests.gateway.store.redis_line import LEASE_SECONDS, Line, holding, is_free
from tests.gateway.store.redis_server import RedisServer, process, until


pytestmark = pytest.mark.needs_command("redis-server", package="redis-server")

HOLDER = """
import asyncio, sys
from loguru import logger
from gateway.errors import StoreError
from gateway.store.redis import open_redis

async def main():
    async with open_redis(sys.argv[1], logger=logger, lease_seconds=1.0) as store:
        print("asks", flush=True)
        try:
            lease = await store.lease("lane", wait=60, queue=100)
        except StoreError:
            print("lost", flush=True)
        else:
            print("holds", flush=True)
            await asyncio.sleep(600)

asyncio.run(main())
"""
# Counts with a value that everybody reads and writes: two at a time would lose some.
COUNTER = """
import asyncio, sys
from loguru import logger
from gateway.store.redis import open_redis

async def count(store):
    lease = await store.lease("lane", wait=60, queue=100)
    number = int(await store.read("number") or b"0")
    await asyncio.sleep(0)
    await store.put("number", str(number + 1).encode(), ttl=600)
    await lease.release()

async def main():
    async with open_redis(sys.argv[1], logger=logger) as store:
        await asyncio.gather(*(count(store) for _ in range(30)))

asyncio.run(main())
"""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, which forgets everything when it ends."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


async def says(child: asyncio.subprocess.Process, line: str):
    assert child.stdout is not None
    assert (await asyncio.wait_for(child.stdout.readline(), 60)).decode().strip() == line


async def test_three_processes_count(store: RedisStore, redis_server: RedisServer):
    """What processes do under a lease they do one at a time."""
    async with (
        process(COUNTER, redis_server) as one,
        process(COUNTER, redis_server) as two,
        process(COUNTER, redis_server) as three,
    ):
        assert [await child.wait() for child in (one, two, three)] == [0, 0, 0]
    assert await store.read("number") == b"90"


async def test_a_killed_holder(store: RedisStore, redis_server: RedisServer, line: Line):
    """A name whose holder was killed with -9 comes to who waits for it, by itself."""
    async with process(HOLDER, redis_server) as child:
        await says(child, "asks")
        await says(child, "holds")
        waiter = await line.joined(store)
        assert not await is_free(store)
        child.kill()
        assert await waiter is not None


async def test_a_killed_holder_without_waiters(store: RedisStore, redis_server: RedisServer):
    """A name whose holder was killed is free for who comes later, and leaves nothing behind."""
    async with process(HOLDER, redis_server) as child:
        await says(child, "asks")
        await says(child, "holds")
        child.kill()
        await until(lambda: redis_server.ask("DBSIZE") == 0)
    assert await is_free(store)


async def test_a_killed_waiter(
    two: tuple[RedisStore, RedisStore], redis_server: RedisServer, line: Line
):
    """Who was killed while waiting is passed by, and nothing is left of it."""
    held = await holding(two[0])
    async with process(HOLDER, redis_server) as child:
        await says(child, "asks")
        await line.has(2)
        waiter = await line.joined(two[1])
        child.kill()
        await child.wait()
        await held.release()
        second = await waiter
    assert second is not None
    await second.release()
    await until(lambda: redis_server.ask("DBSIZE") == 0)


async def test_a_waiter_that_stood_still(store: RedisStore, redis_server: RedisServer, line: Line):
    """A process that slept through its turn, and the turn's end, does not think it holds."""
    held = await holding(store)
    async with process(HOLDER, redis_server) as child:
        await says(child, "asks")
        await line.has(2)
        child.send_signal(signal.SIGSTOP)
        waiter = await line.joined(store)
        await held.release()
        assert await waiter is not None
        child.send_signal(signal.SIGCONT)
        await says(child, "lost")


async def test_killed_waiters_do_not_fill_the_queue(
    store: RedisStore, redis_server: RedisServer, line: Line
):
    """A queue that was full of the dead has room again."""
    held = await holding(store)
    async with process(HOLDER, redis_server) as child:
        await says(child, "asks")
        await line.has(2)
        assert await store.lease("lane", wait=60, queue=1) is None
        child.kill()
        await line.has(1)
    waiter = asyncio.create_task(store.lease("lane", wait=60, queue=1))
    await line.has(2)
    await held.release()
    assert await waiter is not None


async def test_broken_connections(
    two: tuple[RedisStore, RedisStore], line: Line, warnings: list[str]
):
    """Connections that break and come back cost nobody their place, holder or waiter."""
    held = await holding(two[0])
    waiters = [await line.joined(store) for store in two]
    line.cut()
    assert await two[1].lease("lane", wait=2.5 * LEASE_SECONDS, queue=9) is None
    await held.release()
    first = await waiters[0]
    assert first is not None
    line.cut()
    await first.release()
    assert await waiters[1] is not None
    assert not warnings


async def test_a_holder_that_was_thought_dead(
    two: tuple[RedisStore, RedisStore], line: Line, warnings: list[str]
):
    """A holder whose name another one got is told so, and its release harms nobody."""
    held = await holding(two[0])
    line.forget()
    other = await holding(two[1])
    await until(lambda: bool(warnings))
    assert "lost the lease of lane" in warnings[0]
    assert await two[0].lease("lane", wait=LEASE_SECONDS, queue=1) is None
    await held.release()
    assert not await is_free(two[0])
    await other.release()
    assert await is_free(two[0])
    assert len(warnings) == 1


async def test_a_lost_name_is_taken_back(
    two: tuple[RedisStore, RedisStore], line: Line, warnings: list[str]
):
    """A holder whose name Redis forgot says so, and holds it again if nobody else does."""
    held = await holding(two[0])
    line.forget()
    await line.has(1)
    assert "lost the lease of lane" in warnings[0]
    assert not await is_free(two[1])
    await held.release()
    assert await is_free(two[1])


async def test_a_restart_that_forgets(own_server: RedisServer, warnings: list[str]):
    """After a restart without its data the holder is told, waiters too, and all goes on."""
    line = Line(own_server)
    async with open_redis(own_server.url, logger=logger, lease_seconds=LEASE_SECONDS) as store:
        held = await holding(store)
        waiter = await line.joined(store)
        await asyncio.to_thread(own_server.restart)
        with pytest.raises(StoreError, match=r"the queue for lane is lost.*ask again"):
            await waiter
        await line.has(1)
        assert len(warnings) == 1
        waiter = await line.joined(store)
        await held.release()
        assert await waiter is not None


async def test_a_server_that_stays_away(own_server: RedisServer, warnings: list[str]):
    """Holder and waiter learn it while the server is still away; releasing raises nothing."""
    line = Line(own_server)
    async with open_redis(own_server.url, logger=logger, lease_seconds=LEASE_SECONDS) as store:
        held = await holding(store)
        waiter = await line.joined(store)
        await asyncio.to_thread(own_server.kill)
        with pytest.raises(StoreError, match="Redis was away for too long"):
            await waiter
        assert len(warnings) == 1
        await held.release()
        await asyncio.to_thread(own_server.start)
        assert await is_free(store)


async def test_a_full_server_keeps_what_is_held(own_server: RedisServer, warnings: list[str]):
    """A server without memory goes on renewing leases and handing them on."""
    line = Line(own_server)
    async with open_redis(own_server.url, logger=logger, lease_seconds=LEASE_SECONDS) as store:
        held = await holding(store)
        own_server.ask("CONFIG", "SET", "maxmemory", "1")
        waiter = await line.joined(store)
        assert await store.lease("lane", wait=2.5 * LEASE_SECONDS, queue=9) is None
        await held.release()
        assert await waiter is not None
        assert not warnings


async def test_half_of_a_line_that_was_thrown_out(store: RedisStore, redis_server: RedisServer):
    """A line that lost one of its keys to a server short of memory is no obstacle for ever."""
    redis_server.ask("RPUSH", "letta-gateway:lane:lane", "somebody:0")
    assert await is_free(store)
