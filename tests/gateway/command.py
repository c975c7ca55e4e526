"""The command `letta-gateway` as a process, in a directory and environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs


COMMAND = Path(sys.executable).with_name("letta-gateway")
PATIENCE = 60.0  # seconds; only a test that fails waits for so long


@attrs.frozen
class Ended:
    """What a run of the command came to."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it complains of."""
        return self.err.splitlines()


@attrs.define
class Started:
    """A run of `letta-gateway serve` that serves at `url`; `said` is how it introduced itself."""

    process: asyncio.subprocess.Process
    url: str = ""
    said: list[str] = attrs.field(factory=list)

    async def introduces_itself(self) -> None:
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while not self.url:
                line = (await self.process.stdout.readline()).decode()
                assert line, (await self.process.communicate())[1].decode()
                self.said.append(line.rstrip("\n"))
                _, _, rest = line.partition("OpenAI base URL ")
                self.url = rest.partition("/v1")[0]

    async def logs(self, words: str) -> str:
        """Read the log until it has a line with these words."""
        assert self.process.stderr
        async with asyncio.timeout(PATIENCE):
            while words not in (line := (await self.process.stderr.readline()).decode()):
                assert line
        return line

    async def ended(self) -> Ended:
        """How it ends, by itself."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        return Ended(self.process.returncode or 0, out.decode(), err.decode())


async def ran(*arguments: str | Path, cwd: Path, **environ: str) -> Ended:
    """Run the command to its end."""
    async with _process(*arguments, cwd=cwd, **environ) as process:
        return await Started(process).ended()


@asynccontextmanager
async def serving(*arguments: str | Path, cwd: Path, **environ: str) -> AsyncIterator[Started]:
    """Serve on any port until the block is left."""
    async with _process("serve", "--port", "0", *arguments, cwd=cwd, **environ) as process:
        started = Started(process)
        await started.introduces_itself()
        yield started


@asynccontextmanager
async def kept(letta: str, cwd: Path) -> AsyncIterator[Started]:
    """Serve over this Letta until the block is left: killed, and what was stored is there then."""
    file = cwd / "gateway.yaml"
    store = {"use": "sqlite", "path": str(cwd / "gateway.db")}
    file.write_text(json.dumps({"letta": {"base_url": letta}, "store": store}))
    async with serving("--config", file, cwd=cwd) as started:
        yield started


@asynccontextmanager
async def _process(
    *arguments: str | Path, cwd: Path, **environ: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONUNBUFFERED": "1", **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # so that it can be signalled as a terminal does
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
