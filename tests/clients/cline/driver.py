"""Cline's CLI, run without a terminal."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs

from tests.clients.driver import Asked, Driver, Json, Told
from tests.clients.node_packages import CLINE, installed
from tests.real.client import interrupted, said_by


PATIENCE = 90.0
NAME = "openai-compatible"

Process = asyncio.subprocess.Process


@attrs.frozen
class Cline(Driver):
    """It always streams; its tools are those of a coding agent."""

    limits: ClassVar = {
        "images": "`cline --help` has no option for images",
        "JSON": "`cline --help` has no option for a schema",
    }
    wholes: ClassVar = False

    def use(self, city: str) -> Json:
        return {"name": "run_commands", "args": {"commands": [f"printf 'sun in %s' {city}"]}}

    async def ask(self, asked: Asked) -> Told:
        async with self._doing(asked) as process, asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
        return _told([json.loads(line) for line in out.splitlines() if line.startswith(b"{")])

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        """Ctrl+C, after the first words."""
        async with self._doing(asked) as process:
            await said_by(process, b'"contentType":"text"')
        yield

    @asynccontextmanager
    async def _doing(self, asked: Asked) -> AsyncIterator[Process]:
        """It, at work. Leaving the block ends it as Ctrl+C does."""
        settings = self.folder / ".cline" / "data" / "settings"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "providers.json").write_text(json.dumps(self._account(asked.model)))
        async with self._run("--json", "--cwd", str(self.folder), asked.said) as process:
            yield process

    def _account(self, model: str) -> Json:
        """What `cline auth` writes, which takes as long as a question."""
        account = {"provider": NAME, "apiKey": "any", "model": model, "baseUrl": f"{self.url}/v1"}
        made = {"settings": account, "tokenSource": "manual", "updatedAt": "2026-01-01T00:00:00Z"}
        return {"version": 1, "lastUsedProvider": NAME, "modes": {}, "providers": {NAME: made}}

    @asynccontextmanager
    async def _run(self, *arguments: str) -> AsyncIterator[Process]:
        (program,) = installed(CLINE).glob("@cline/cli-*/bin/cline")
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            await interrupted(process)


def _told(told: list[Any]) -> Told:
    events = [each["event"] for each in told if each["type"] == "agent_event"]
    begun = [event for event in events if event["type"] == "content_start"]
    answer = Told(
        pieces=[event["text"] for event in begun if event["contentType"] == "text"],
        reasoning="".join(event.get("reasoning", "") for event in begun),
        ran=[
            output["result"]
            for event in events
            if event["type"] == "content_end" and event["contentType"] == "tool"
            for output in event["output"]
        ],
    )
    result = next(each for each in told if each["type"] == "run_result")
    answer.usage = result["usage"]["outputTokens"]
    if result["finishReason"] == "error":
        answer.error = result["text"]
    return answer
