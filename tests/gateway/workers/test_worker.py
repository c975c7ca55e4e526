"""A worker: what it heeds, and what it says of itself."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from gateway import serve
from tests.gateway.played_letta import DONE, ping, played, said, stop, text
from tests.gateway.store.redis_server import RedisServer
from tests.gateway.surfaces.reading import chunks_of, said_in
from tests.gateway.workers.several import WORKERS, needs_redis, serving


pytestmark = needs_redis


async def test_no_orphans(tmp_path: Path, redis: RedisServer) -> None:
    """When the parent is killed no worker stays, and the port is free for the next gateway."""
    async with played({"Milo": said("Hello")}) as letta:
        async with serving(tmp_path, letta.url, redis) as gateway:
            gateway.signal(signal.SIGKILL)
            ended = await gateway.ended()
        serve.bind("127.0.0.1", int(gateway.url.rpartition(":")[2])).close()

    assert ended.err.count("the parent is gone") == WORKERS


async def test_the_last_streams(tmp_path: Path, redis: RedisServer) -> None:
    """What is running when the parent is killed may finish; nothing new is taken."""
    gate = asyncio.Event()
    script = [ping(), text("one "), gate, text("two"), stop(), DONE]
    async with (
        played({"Milo": script}) as letta,
        serving(tmp_path, letta.url, redis) as gateway,
        gateway.streaming(1) as response,
    ):
        gateway.signal(signal.SIGKILL)
        for _ in range(2):
            await gateway.hears_of("stopping")
        gate.set()
        heard = await chunks_of(response)
        await gateway.ended()

    assert said_in(heard) == "two"


async def test_sigterm(tmp_path: Path, redis: RedisServer) -> None:
    """To one worker alone it says to finish; then another takes its place."""
    gate = asyncio.Event()
    script = [ping(), text("one "), gate, text("two"), stop(), DONE]
    async with (
        played({"Milo": script}) as letta,
        serving(tmp_path, letta.url, redis) as gateway,
        gateway.streaming(1) as response,
    ):
        os.kill(gateway.pids[1], signal.SIGTERM)
        await gateway.hears_of("stopping")
        os.kill(gateway.pids[1], signal.SIGTERM)
        gate.set()
        heard = await chunks_of(response)
        assert await gateway.has_a_worker() == 1

    assert said_in(heard) == "two"


async def test_its_lines_have_its_number(tmp_path: Path, redis: RedisServer) -> None:
    """Of what it logs, one knows which worker it was."""
    async with (
        played({"Milo": said("one ")}) as letta,
        serving(tmp_path, letta.url, redis) as gateway,
    ):
        for worker in (2, 1):
            async with gateway.streaming(worker):
                line = await gateway.hears_of("/v1/chat/completions")
                assert line["worker"] == worker
