"""A real Redis server of a test's own, to start, kill and hold up, and processes that use it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import redis


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@attrs.define
class RedisServer:
    """One on loopback. Without `appendonly` it forgets everything when it ends."""

    work: Path
    options: tuple[str, ...] = ()
    port: int = attrs.field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.work))
        command = ("redis-server", *where, "--save", "", "--logfile", "redis.log", *self.options)
        self._process = subprocess.Popen(command, cwd=self.work, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self.work / "redis.log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def hold(self) -> None:
        """It keeps its connections and says nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *command: str | bytes | int) -> object:
        """What it answers to a command, by another connection than the store's."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        try:
            return self.ask("PING") is True
        except redis.RedisError:
            return False


@attrs.define
class Between:
    """Something between us and the server that loses answers."""

    server: RedisServer
    lose: list[bytes] = attrs.field(factory=list)
    _tasks: list[asyncio.Task[None]] = attrs.field(factory=list, init=False)

    @asynccontextmanager
    async def address(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as listening:
            yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0"
        await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        lost = False

        async def answer():
            while (said := await far_reader.read(65536)) and not lost:
                writer.write(said)
            writer.close()

        self._tasks.append(asyncio.create_task(answer()))
        while asked := await reader.read(65536):
            lost = any(word in asked for word in self.lose)
            self.lose = [word for word in self.lose if word not in asked]
            far_writer.write(asked)
        far_writer.close()


@asynccontextmanager
async def process(script: str, server: RedisServer) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process, which is killed with -9 in the end if it still runs."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, server.url, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def until(condition: Callable[[], bool]):
    """Wait for what another program does, which has no event of ours."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
