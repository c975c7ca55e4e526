"""Other people's parsers, each of which gives the events of a stream that comes in pieces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
from aiohttp import web
from aiohttp_sse_client.client import EventSource
from httpx_sse import connect_sse

from tests.clients.node_packages import node, node_modules
from tests.letta_server.install import CannotInstall
from tests.missing import missing
from tests.real.client import client_process
from tests.sse.streams import Read, Stream


HERE = Path(__file__).parent
FILES = ("page.html", "read.js")

# Of the places to cut: the more pieces, the longer a network takes.
SHARE = 0.02


def httpx_sse(pieces: Iterable[bytes]) -> list[Read]:
    """That of many Python clients."""

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=headers, content=iter(pieces))

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        connect_sse(client, "POST", "http://gateway") as source,
    ):
        return [(each.event, each.data, each.id) for each in source.iter_sse()]


def packages() -> Path:
    """Where eventsource-parser is."""
    try:
        return node_modules(print, HERE)
    except CannotInstall as problem:
        missing(f"eventsource-parser, because {problem}")


async def eventsource_parser(place: Path, stream: Stream) -> list[Read]:
    """That of the AI SDK and many others, in Node."""
    (place / "bytes").write_bytes(stream.data)
    (place / "cuts").write_text(json.dumps(stream.cuts()))
    for name in ("parse.mjs", "read.js", "package.json"):
        (place / name).write_bytes((HERE / name).read_bytes())
    (place / "node_modules").symlink_to(packages())
    files = (str(place / name) for name in ("parse.mjs", "bytes", "cuts"))
    async with client_process(node(), *files) as process, asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return read_of(json.loads(out))


async def aiohttp_sse_client(url: str) -> list[Read]:
    """That of aiohttp's users. It asks again at the end, and gives up at a 204."""
    read: list[Read] = []
    at_once = timedelta(0)
    option = {"method": "POST"}
    try:
        async with EventSource(url, option=option, reconnection_time=at_once) as events:
            async for each in events:
                name = each.type or "message"
                read.append((name, each.data, each.last_event_id))
    except ConnectionAbortedError:
        return read
    raise AssertionError("it never came to an end")


def read_of(found: Sequence[Sequence[str]]) -> list[Read]:
    return [(name, data, given) for name, data, given in found]


@attrs.define
class Server:
    """Sends each stream once to each who asks, in many writes; 204 tells it not to ask again."""

    streams: Sequence[Stream]
    url: str = ""
    _sent: set[str] = attrs.field(factory=set)

    async def send(self, request: web.Request) -> web.StreamResponse:
        if request.path_qs in self._sent:
            return web.Response(status=204)
        self._sent.add(request.path_qs)
        (stream,) = (each for each in self.streams if each.name == request.match_info["name"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1\n\n")  # or a browser waits for seconds
        for piece in stream.pieces(SHARE):
            await response.write(piece)
        return response

    async def file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        if name in FILES:
            return web.FileResponse(HERE / name)
        return web.FileResponse(packages() / "eventsource-parser/dist/index.js")


@asynccontextmanager
async def serving(streams: Sequence[Stream]) -> AsyncIterator[Server]:
    """It listens on a free port."""
    server = Server(streams)
    app = web.Application()
    app.add_routes([web.get("/{file}", server.file)])
    app.add_routes([web.route("*", "/streams/{name}", server.send)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def page_of(browser: Any, server: Server) -> AsyncIterator[Any]:
    """A page with `fetched` and `heard`."""
    page = await browser.new_page()
    try:
        await page.goto(f"{server.url}/page.html")
        await page.wait_for_function("window.ready")
        yield page
    finally:
        await page.close()
