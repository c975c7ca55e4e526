"""The limit in Python: bytes in, the same bytes out. Served as the gateway is.

python raw_passthrough.py PORT UPSTREAM
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web


UPSTREAM = web.AppKey("upstream", str)
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def healthy(request: web.Request) -> web.Response:
    """It is up."""
    return web.Response(text="ok")


async def passed(request: web.Request) -> web.StreamResponse:
    """One request: its answer goes out as it comes in."""
    session, url = request.app[SESSION], request.app[UPSTREAM] + request.path_qs
    headers = {"Content-Type": request.content_type}
    async with session.post(url, data=await request.read(), headers=headers) as answer:
        response = web.StreamResponse(status=answer.status)
        response.content_type = answer.content_type
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def serve(port: int, upstream: str) -> None:
    """Serve for ever."""
    app = web.Application()
    app.router.add_get("/health", healthy)
    app.router.add_post("/{path:.*}", passed)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app[SESSION], app[UPSTREAM] = session, upstream
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(serve(int(sys.argv[1]), sys.argv[2]))
