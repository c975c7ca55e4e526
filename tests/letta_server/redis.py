"""Redis for one run, where `redis-server` is installed. Letta can do without."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.letta_server.process import Program, connects, running


def redis_server() -> str | None:
    """The program, if it is installed."""
    return shutil.which("redis-server")


@asynccontextmanager
async def redis(server: str, work: Path, port: int) -> AsyncIterator[None]:
    """Run it in memory only."""
    where = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(work))
    in_memory = ("--save", "", "--appendonly", "no")
    program = Program(
        name="redis",
        command=(server, *where, *in_memory),
        work=work,
        answers=lambda: connects(port),
    )
    async with running(program):
        yield
