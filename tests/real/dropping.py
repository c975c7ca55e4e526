"""A wire between a client and the gateway that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import attrs


@attrs.define
class Dropping:
    """Passes bytes on to the gateway, until `drop` cuts all connections; new ones may come."""

    host: str
    port: int
    url: str = ""
    connections: int = 0
    _open: set[asyncio.StreamWriter] = attrs.field(init=False, factory=set)

    def drop(self) -> None:
        """Cut what is open, at both ends."""
        for writer in self._open:
            writer.transport.abort()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there = await asyncio.open_connection(self.host, self.port)
        ends = {writer, there[1]}
        self._open |= ends
        try:
            await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))
        finally:
            self._open -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def dropping(url: str) -> AsyncIterator[Dropping]:
    """The wire to the gateway at this address, for as long as the block lasts."""
    parts = urlsplit(url)
    wire = Dropping(parts.hostname or "", parts.port or 80)
    server = await asyncio.start_server(wire.handle, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        wire.drop()
        await server.wait_closed()
