"""The Redis server that the workers of this directory share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.store.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One for all tests: their chats have names of their own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
