"""OpenAI's Node SDK, which runs tools by itself."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from tests.clients.node_packages import CLIENTS, node_modules
from tests.gateway.tool_stories import calls, does
from tests.letta_server.install import CannotInstall
from tests.missing import missing


async def runs_tools(directory: Path, url: str, model: str, *, stream: bool) -> None:
    """Two calls at once, then another: all are run, and the agent has the last word."""
    try:
        (directory / "node_modules").symlink_to(node_modules(print))
    except CannotInstall as problem:
        missing(f"the Node clients, because {problem}")
    script = shutil.copy(CLIENTS / "run_tools.mjs", directory)
    steps = calls("get_weather", "get_time"), calls("get_time"), {"text": "All done."}
    how = "stream" if stream else "whole"
    told = await _told("node", script, how, f"{url}/v1", model, does(*steps))
    assert told["calls"] == ["get_weather", "get_time", "get_time"]
    assert told["results"] == ["get_weather of Rome", "get_time of Rome", "get_time of Rome"]
    assert told["text"] == "All done."


async def _told(*command: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)
