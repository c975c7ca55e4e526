"""Start a program, wait until it answers, end it: this one and no other."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs


PATIENCE = 180.0  # seconds for a program to answer; a cold disk on a busy machine is slow


class CannotStart(Exception):
    """A program ended before it answered, or never did. The end of its log says why."""


@attrs.frozen
class Program:
    """What to run, when it counts as up, and how it is ended."""

    name: str
    command: tuple[str | Path, ...]
    work: Path
    answers: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = attrs.field(factory=dict)
    user: str | None = None
    ending: signal.Signals = signal.SIGKILL

    @property
    def log(self) -> Path:
        return self.work / f"{self.name}.log"

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's gets in: no API keys, no proxies, no Python settings."""
        path = os.environ.get("PATH", os.defpath)
        own = {"PATH": path, "LANG": "C.UTF-8", "HOME": str(self.work), "TMPDIR": str(self.work)}
        return own | dict(self.env)

    def failed(self, how: str) -> CannotStart:
        tail = self.log.read_text(errors="replace").splitlines()[-25:]
        return CannotStart("\n".join([f"{self.name} {how}; the end of its log:", *tail]))


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[None]:
    """Run the program in a session of its own until the block is left."""
    with program.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=program.work,
            env=program.environment(),
            start_new_session=True,
            **identity(program.user),
        )
    try:
        await _until_it_answers(program, process)
        yield
    finally:
        await _end(process, program.ending)


async def finished(*command: str | Path, user: str | None = None) -> tuple[int, str]:
    """Run a short command to its end: its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"LANG": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)},
        **identity(user),
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")


def identity(user: str | None) -> dict[str, Any]:
    """What makes a child process run as `user`, for those who may do that."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nothing listens, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


async def connects(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _until_it_answers(program: Program, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await program.answers():
                if process.returncode is not None:
                    raise program.failed(f"ended with status {process.returncode}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise program.failed(f"did not answer within {PATIENCE:.0f} s") from None


async def _end(process: asyncio.subprocess.Process, how: signal.Signals) -> None:
    """Ask it, or kill it with all that it started. A program that is gone is left alone."""
    if process.returncode is None and how != signal.SIGKILL:
        process.send_signal(how)
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
