"""Each kind of store, opened for a test; Redis as a server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import loguru
import pytest

from gateway.store import OpenStore, open_store
from tests.letta_server.process import free_ports
from tests.letta_server.redis import redis, redis_server


needs_redis = pytest.mark.needs_command("redis-server", package="redis-server")
WITH_REDIS: list[Any] = ["memory", "sqlite", pytest.param("redis", marks=needs_redis)]


@asynccontextmanager
async def opened(
    use: Any, tmp_path: Path, now: Callable[[], float] | None = None
) -> AsyncIterator[OpenStore]:
    """A store of this kind; the clock is not for Redis, which has its own."""
    if use == "redis":
        async with redis_url(tmp_path) as url, open_redis(url) as store:
            yield store
        return
    more = {"now": now} if now else {}
    async with open_store(use, path=tmp_path / "state" / "gateway.db", **more) as store:
        yield store


def open_redis(url: str) -> Any:
    """A connection to a Redis, as a process has one."""
    return open_store("redis", url=url, logger=loguru.logger)


@asynccontextmanager
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    """A Redis for as long as the block lasts."""
    server = redis_server()
    assert server is not None
    (port,) = free_ports(1)
    async with redis(server, tmp_path, port):
        yield f"redis://127.0.0.1:{port}"
