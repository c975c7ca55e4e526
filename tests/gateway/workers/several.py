"""A gateway of two workers as a process, each of which can be asked by itself."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from tests.gateway.command import Ended, Started, ran
from tests.gateway.command import serving as serving_command
from tests.gateway.store.redis_server import RedisServer


needs_redis = pytest.mark.needs_command("redis-server", package="redis-server")

WORKERS = 2


@attrs.define
class Several:
    """The parent, and its workers' process ids by their numbers."""

    parent: Started
    pids: dict[int, int] = attrs.field(factory=dict)

    @property
    def url(self) -> str:
        return self.parent.url

    async def hears_of(self, words: str) -> Mapping[str, Any]:
        """The next line of the log with these words."""
        return json.loads(await self.parent.logs(words))

    async def has_a_worker(self) -> int:
        """One more serves; its number."""
        line = await self.hears_of("a worker serves")
        self.pids[line["worker"]] = line["pid"]
        return line["worker"]

    @contextmanager
    def only(self, number: int) -> Iterator[None]:
        """New connections are taken by this worker: the others do not move."""
        others = [pid for each, pid in self.pids.items() if each != number]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
            while _state(pid) != "T":  # until then it may still take one
                time.sleep(0.001)
        try:
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def streaming(
        self, number: int, content: str = "Hi"
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A stream of Milo's through this worker, after its first word, `one `."""
        said = [{"role": "user", "content": content}]
        body = {"model": "Milo", "stream": True, "messages": said}
        async with aiohttp.ClientSession() as client:
            with self.only(number):
                response = await client.post(f"{self.url}/v1/chat/completions", json=body)
                await response.content.readuntil(b"one ")
            async with response:
                yield response

    def signal(self, number: signal.Signals) -> None:
        """To the parent alone."""
        self.parent.process.send_signal(number)

    async def ended(self) -> Ended:
        """Once nobody writes to its log any more: neither the parent nor a worker."""
        return await self.parent.ended()


def _state(pid: int) -> str:
    """What the process is doing, in the kernel's letters."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def config_of(directory: Path, letta: str, redis: RedisServer, **more: Any) -> Path:
    """One file for all."""
    file = directory / "gateway.yaml"
    said = {
        "server": {"workers": WORKERS},
        "letta": {"base_url": letta},
        "store": {"use": "redis", "url": redis.url},
        "log": {"format": "json"},
        **more,
    }
    file.write_text(json.dumps(said))  # which is YAML
    return file


@asynccontextmanager
async def serving(
    directory: Path, letta: str, redis: RedisServer, **more: Any
) -> AsyncIterator[Several]:
    """A gateway whose workers all serve."""
    file = config_of(directory, letta, redis, **more)
    async with serving_command("--config", file, cwd=directory) as started:
        several = Several(started)
        while len(several.pids) < WORKERS:
            await several.has_a_worker()
        yield several


async def refused(directory: Path, letta: str, redis: RedisServer, **more: Any) -> Ended:
    """A gateway that does not come to serve."""
    file = config_of(directory, letta, redis, **more)
    environ = {"PYTHONPATH": str(directory)}
    return await ran("serve", "--port", "0", "--config", file, cwd=directory, **environ)
