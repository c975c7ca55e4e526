"""A proxy before Letta that can cut an answer off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import attrs
from aiohttp import web


HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}


@attrs.define
class Cutting:
    """
    Passes everything on to `letta`.

    `cuts` are for the next streams, in turn: after how many events each is cut, or None.
    """

    letta: str
    session: aiohttp.ClientSession
    url: str = ""
    cuts: list[int | None] = attrs.field(factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        data = await request.read()
        address = self.letta + request.raw_path
        async with self.session.request(
            request.method, address, headers=headers, data=data or None
        ) as answer:
            response = web.StreamResponse(
                status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
            )
            streamed = answer.content_type == "text/event-stream"
            after = self.cuts.pop(0) if streamed and self.cuts else None
            await response.prepare(request)
            seen = 0
            while line := await answer.content.readline():
                if after is not None and seen >= after and line.startswith((b"data:", b"event:")):
                    assert request.transport is not None
                    request.transport.close()
                    break
                await response.write(line)
                seen += line == b"\n"
            return response


@asynccontextmanager
async def cutting(letta: str) -> AsyncIterator[Cutting]:
    """The proxy, for as long as the block lasts."""
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=2**22) as session:
        proxy = Cutting(letta, session)
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()
