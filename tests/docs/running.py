"""Programs of the documents, run against a gateway of the test's own."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path


SHOWN = "http://127.0.0.1:8284"


async def run(*command: str | Path, cwd: Path | None = None, **env: str) -> str:
    """What it prints; it has to succeed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=env or None,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def run_python(text: str, url: str) -> str:
    """What a program prints that talks to the gateway at the address that the documents show."""
    return await run(sys.executable, "-c", text.replace(SHOWN, url))


async def run_shell(text: str, url: str) -> str:
    """What a block prints that is pasted into a shell, with our Python in place of `.venv`'s."""
    text = text.replace(SHOWN, url).replace(".venv/bin/python", shlex.quote(sys.executable))
    return await run("sh", "-c", text)
