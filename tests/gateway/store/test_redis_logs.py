"""Logs in Redis: other processes, and what goes wrong with Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.errors import StoreError
from gateway.store.redis_scripts import PREFIX
from tests.gateway.store.stores import needs_redis, open_redis, redis_url


pytestmark = needs_redis


async def test_another_process_is_woken(tmp_path: Path):
    """Who waits in one gateway gets what another adds."""
    async with redis_url(tmp_path) as url, open_redis(url) as one, open_redis(url) as two:
        waiting = asyncio.create_task(one.read_from("log", 0, wait=60))
        await two.append("log", [b"a"], ttl=60, limit=100)
        async with asyncio.timeout(10):
            assert await waiting == [(1, b"a")]


async def test_expired_is_absent(tmp_path: Path):
    """A log is gone when its time is up, its head too, and another begins at 1."""
    async with redis_url(tmp_path) as url, open_redis(url) as store:
        await store.append("log", [b"a", b"b"], ttl=0.05, limit=100)
        async with asyncio.timeout(10):
            while await store.read_from("log", 0, wait=0):  # noqa: ASYNC110  Redis has the clock
                await asyncio.sleep(0.01)
        await store.append("log", [b"c"], ttl=60, limit=100)
        assert await store.read_from("log", 0, wait=0) == [(1, b"c")]


async def test_a_half_that_is_left(tmp_path: Path):
    """When Redis has thrown out one of its two keys, the log begins anew."""
    async with redis_url(tmp_path) as url, open_redis(url) as store, Redis.from_url(url) as tool:
        for half in ("log", "log-head"):
            await store.append("log", [b"a", b"b"], ttl=60, limit=100)
            assert await tool.delete(f"{PREFIX}{half}:log") == 1
            await store.append("log", [b"c"], ttl=60, limit=100)
            assert await store.read_from("log", 0, wait=0) == [(1, b"c")]
            await store.append("log", [], ttl=0, limit=100)


async def test_redis_goes_away(tmp_path: Path):
    """Who waits is told, and so is who comes later."""
    async with AsyncExitStack() as stack:
        async with redis_url(tmp_path) as url:
            store = await stack.enter_async_context(open_redis(url))
            waiting = asyncio.create_task(store.read_from("log", 0, wait=60))
            await store.ping()
        with pytest.raises(StoreError, match="does not answer"):
            await waiting
        with pytest.raises(StoreError, match="does not answer"):
            await store.append("log", [b"a"], ttl=60, limit=100)


async def test_a_closed_store(tmp_path: Path):
    """Work that comes after the store was closed is told so."""
    async with redis_url(tmp_path) as url:
        async with open_redis(url) as store:
            pass
        with pytest.raises(StoreError, match="closed"):
            await store.read_from("log", 0, wait=1)


async def test_what_the_connections_are_for(tmp_path: Path):
    """Readers that wait take none of the connections that all else needs, and give theirs back."""
    async with redis_url(tmp_path) as url, open_redis(url) as store, Redis.from_url(url) as tool:
        for _ in range(3):
            waiting = [asyncio.create_task(store.read_from("log", 0, wait=60)) for _ in range(70)]
            async with asyncio.timeout(10):
                while int((await tool.info("clients"))["blocked_clients"]) < 70:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await store.append("log", [b"a"], ttl=60, limit=100)
            await asyncio.gather(*waiting)
            await store.append("log", [], ttl=0, limit=100)
        assert int((await tool.info("clients"))["connected_clients"]) < 100
