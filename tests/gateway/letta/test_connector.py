"""Reading stops where nobody takes what comes, and goes on."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

from gateway.letta.connector import Connector, Receiver
from tests.gateway.letta.loopback import loopback


async def test_one_that_is_read_slowly():
    """Reading from the connection stops meanwhile, goes on, and loses nothing."""
    sent = b"".join(b"%07d\n" % number for number in range(2**19))

    async def answer(request):
        return web.Response(body=sent)

    async with loopback() as server, aiohttp.ClientSession(connector=Connector()) as session:
        server.on("POST", "/", answer)
        async with asyncio.timeout(20), session.post(f"{server.url}/") as response:
            protocol = response.connection.protocol
            assert isinstance(protocol, Receiver)
            came, stops = [], 0
            async for part in response.content.iter_any():
                came.append(part)
                for _ in range(20):
                    await asyncio.sleep(0)
                stops += protocol._reading_paused
    assert stops
    assert b"".join(came) == sent
