"""Chromium, and a way to it that can be cut."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs

from tests.missing import missing


COMMANDS = ("chromium", "chromium-browser", "google-chrome")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # Nothing but this machine is asked, whatever a page wants.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """A browser; skips the test where there is none."""
    command = next((found for name in COMMANDS if (found := shutil.which(name))), None)
    if command is None:
        missing("chromium (install the package chromium)")
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        missing("playwright (it is in the extra test)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=command, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@attrs.define
class Line:
    """A TCP line to a port of this machine. It can be cut, and be down for a while."""

    port: int = 0
    down: bool = False
    tried: int = 0
    _writers: set[asyncio.StreamWriter] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> int:
        """Cut all connections, as a network does; how many there were."""
        cut = len(self._writers) // 2
        for writer in list(self._writers):
            writer.transport.abort()
        return cut

    async def carry(
        self, to: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection."""
        self.tried += 1
        if self.down:
            writer.transport.abort()
            return
        away_reader, away = await asyncio.open_connection("127.0.0.1", to)
        both = {writer, away}
        self._writers |= both
        try:
            await asyncio.gather(_pump(reader, away), _pump(away_reader, writer))
        finally:
            self._writers -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def line(to: int) -> AsyncIterator[Line]:
    """A line to this port."""
    made = Line()
    tasks: set[asyncio.Task[None]] = set()

    def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(made.carry(to, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        if tasks:
            await asyncio.wait(list(tasks))
