"""Codex CLI, run without a terminal: `codex exec`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs

from tests.clients.codex.running import Codex, items, told_in
from tests.clients.driver import Asked, Driver, Json, Told, Weather
from tests.real.client import said_by


PATIENCE = 90.0
CLOSED = {"additionalProperties": False}


@attrs.frozen
class CodexCLI(Driver):
    """It always streams, and tells of a text when it is whole."""

    piecewise: ClassVar = False
    wholes: ClassVar = False

    def use(self, city: str) -> Json:
        return {"name": "exec_command", "args": {"cmd": f"printf 'sun in %s' {city}"}}

    async def ask(self, asked: Asked) -> Told:
        shown = [] if asked.image is None else [f"--image={asked.image}"]
        if asked.form:
            schema = self.folder / "schema.json"
            schema.write_text(json.dumps({**Weather.model_json_schema(), **CLOSED}))
            shown.append(f"--output-schema={schema}")
        async with self._codex(asked).doing(asked.said, *shown) as process:
            async with asyncio.timeout(PATIENCE):
                out, _ = await process.communicate()
        return _told(told_in(out))

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        """Ctrl+C, after the first thought."""
        thinks = f'!!{{"reason": "I think.", "text": "{"word " * 9999}", "delay": 0.5}}!!'
        async with self._codex(asked).doing(thinks) as process:
            await said_by(process, b"I think.")
        yield

    def _codex(self, asked: Asked) -> Codex:
        folder = self.folder / asked.model
        folder.mkdir(exist_ok=True)
        return Codex.of(folder, self.url, asked.model)


def _told(told: list[Any]) -> Told:
    answer = Told(
        pieces=[item["text"] for item in items(told, "agent_message")],
        reasoning="".join(item["text"] for item in items(told, "reasoning")),
        ran=[item["aggregated_output"] for item in items(told, "command_execution")],
    )
    last = told[-1]
    if last["type"] == "turn.completed":
        answer.usage = last["usage"]["output_tokens"]
    else:
        answer.error = last["error"]["message"]
    return answer
