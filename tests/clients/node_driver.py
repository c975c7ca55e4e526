"""Clients that are programs of Node: `ask.mjs` in a folder with its pins."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import attrs

from tests.clients.driver import Asked, Driver, Told, data_url
from tests.clients.node_packages import installed, node
from tests.real.client import client_process, said_by


PATIENCE = 60.0


@attrs.frozen
class NodeDriver(Driver):
    """It is told what to ask as JSON, and tells as JSON what came of it."""

    clients: ClassVar[Path]
    api: ClassVar[str] = "chat"

    async def ask(self, asked: Asked) -> Told:
        async with client_process(*self._command(asked)) as process:
            assert process.stdin
            process.stdin.close()
            assert process.stdout
            async with asyncio.timeout(PATIENCE):
                out = await process.stdout.read()
                assert await process.wait() == 0
        return Told(**json.loads(out))

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        async with client_process(*self._command(asked, leaves=True)) as process:
            await said_by(process, b"left\n")
            yield
            assert process.returncode is None

    def _command(self, asked: Asked, **more: bool) -> list[str]:
        image = None if asked.image is None else data_url(asked.image)
        said = json.dumps({**attrs.asdict(asked), "image": image, **more})
        return [node(), str(self._script()), self.api, f"{self.url}/v1", said]

    def _script(self) -> Path:
        script = self.folder / "ask.mjs"
        if not script.exists():
            (self.folder / "node_modules").symlink_to(installed(self.clients))
            shutil.copy(self.clients / "ask.mjs", script)
        return script
