"""The Redis server that the tests of this directory share, and its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from loguru import logger

from gateway.store.redis import RedisStore, open_redis
from tests.gateway.store.redis_line import LEASE_SECONDS, Line
from tests.gateway.store.redis_server import RedisServer


@pytest.fixture(scope="session")
def _one_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def redis_server(_one_redis: RedisServer) -> RedisServer:
    """It is empty, and stays up: a test that ends one starts one of its own."""
    _one_redis.ask("FLUSHALL")
    return _one_redis


@pytest.fixture
def line(redis_server: RedisServer) -> Line:
    return Line(redis_server)


@pytest.fixture
async def two(redis_server: RedisServer) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two clients of one server, as two processes would be."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(
                open_redis(redis_server.url, logger=logger, lease_seconds=LEASE_SECONDS)
            )
            for _ in range(2)
        ]
        yield opened[0], opened[1]


@pytest.fixture
def store(two: tuple[RedisStore, RedisStore]) -> RedisStore:
    return two[0]


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What was logged as a warning."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)
