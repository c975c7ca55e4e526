"""Codex CLI, run without a terminal."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.clients.node_packages import CODEX, installed
from tests.real.client import interrupted


CONFIG = """
model = "{model}"
model_provider = "letta"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.letta]
name = "Letta"
base_url = "{url}/v1"
env_key = "LETTA_GATEWAY_KEY"
wire_api = "responses"
stream_max_retries = 0
"""


@attrs.frozen
class Codex:
    """Somebody who works in `folder` with an agent of this gateway."""

    home: Path
    folder: Path

    @classmethod
    def of(cls, directory: Path, url: str, model: str) -> Codex:
        """With its settings in this directory."""
        codex = cls(directory / "codex", directory / "work")
        codex.home.mkdir()
        codex.folder.mkdir()
        (codex.home / "config.toml").write_text(CONFIG.format(url=url, model=model))
        return codex

    async def does(self, prompt: str, *, goes_on: bool = False) -> list[Any]:
        """What it tells while it does this; the last session may go on."""
        async with self.doing(prompt, goes_on=goes_on) as process:
            async with asyncio.timeout(90):
                out, err = await process.communicate()
        assert process.returncode == 0, out.decode() + err.decode()
        return told_in(out)

    @asynccontextmanager
    async def doing(
        self, prompt: str, *more: str, goes_on: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """It, at work. Leaving the block ends it as Ctrl+C does."""
        options = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        session = ["resume", "--last"] if goes_on else []
        program = installed(CODEX) / ".bin" / "codex"
        process = await asyncio.create_subprocess_exec(
            *[program, "exec", *session, *options, *more, prompt],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "CODEX_HOME": str(self.home),
                "LETTA_GATEWAY_KEY": "any",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            await interrupted(process)


def told_in(out: bytes) -> list[Any]:
    """The lines of JSON that it wrote."""
    return [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]


def items(told: list[Any], kind: str) -> list[Any]:
    """The items of this kind, as they were in the end."""
    done = [each["item"] for each in told if each["type"] == "item.completed"]
    return [item for item in done if item["type"] == kind]
