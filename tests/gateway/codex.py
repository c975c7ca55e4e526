"""Codex CLI, run without a terminal."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import attrs

from tests.clients.node_packages import CODEX, node_modules
from tests.letta_server.install import CannotInstall
from tests.missing import missing


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
        options = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        session = ["resume", "--last"] if goes_on else []
        process = await asyncio.create_subprocess_exec(
            *[_codex(), "exec", *session, *options, prompt],
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
        async with asyncio.timeout(90):
            out, err = await process.communicate()
        assert process.returncode == 0, out.decode() + err.decode()
        return [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]


def items(told: list[Any], kind: str) -> list[Any]:
    """The items of this kind, as they were in the end."""
    done = [each["item"] for each in told if each["type"] == "item.completed"]
    return [item for item in done if item["type"] == kind]


def _codex() -> Path:
    try:
        return node_modules(print, CODEX) / ".bin" / "codex"
    except CannotInstall as problem:
        missing(f"Codex CLI, because {problem}")
