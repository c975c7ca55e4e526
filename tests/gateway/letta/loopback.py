"""A server on loopback that answers as a test says, and writes down what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import attrs
import loguru
from aiohttp import web

from gateway.letta.client import LettaAPI, connect


Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The read timeout of tests that want one; no test waits for the usual one.
SOON = 0.3


@attrs.frozen
class Drop:
    """Cut the connection in the middle of the answer."""


@attrs.frozen
class Asked:
    """A request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@attrs.define
class Loopback:
    """`answers` by method and the end of the path; `asked` is what came, in order."""

    answers: dict[tuple[str, str], Answer] = attrs.field(factory=dict)
    asked: list[Asked] = attrs.field(factory=list)
    came: asyncio.Event = attrs.field(factory=asyncio.Event)
    cancelled: asyncio.Event = attrs.field(factory=asyncio.Event)
    url: str = ""

    def on(self, method: str, end: str, answer: Answer) -> None:
        """Answer requests whose path ends so; the longest such end counts."""
        self.answers[method, end] = answer

    def sent(self, method: str, end: str = "") -> list[Asked]:
        """The requests of this kind that came."""
        return [each for each in self.asked if each.method == method and each.path.endswith(end)]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Write the request down and answer it."""
        body = await request.json() if request.can_read_body else None
        self.asked.append(Asked(request.method, request.path, request.query, request.headers, body))
        self.came.set()
        if request.path.endswith("/cancel"):
            self.cancelled.set()
        ends = [
            end
            for method, end in self.answers
            if method == request.method and request.path.endswith(end)
        ]
        if not ends:
            return web.json_response({"detail": f"no answer to {request.path}"}, status=500)
        return await self.answers[request.method, max(ends, key=len)](request)


def play(*steps: bytes | asyncio.Event | Drop) -> Answer:
    """An event stream of these bytes; an event is waited for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        for step in steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Drop):
                assert request.transport is not None
                request.transport.abort()
            else:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(step)
        return response

    return answer


def reply(body: Any, status: int = 200) -> Answer:
    """A JSON answer; bytes go out as they are, as HTML."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if isinstance(body, bytes):
            return web.Response(body=body, status=status, content_type="text/html")
        return web.json_response(body, status=status)

    return answer


def sse(**frame: Any) -> bytes:
    """One frame."""
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


RUN_ID = "run-00000000-0000-4000-8000-000000000001"
PING = sse(message_type="ping", run_id=RUN_ID)
TEXT = sse(message_type="assistant_message", id="message-1", content="Hi", run_id=RUN_ID)
STOP = sse(message_type="stop_reason", stop_reason="end_turn")
CANCELLED = sse(message_type="stop_reason", stop_reason="cancelled")
DONE = b"data: [DONE]\n\n"


@asynccontextmanager
async def loopback() -> AsyncIterator[Loopback]:
    """The server, for as long as the block lasts."""
    server = Loopback()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", server.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(
    url: str,
    key: str = "",
    *,
    read_seconds: float = 30.0,
    max_connections: int = 10,
    background: bool = False,
) -> AsyncIterator[LettaAPI]:
    """The gateway's own client of it."""
    async with connect(
        url,
        key,
        connect_seconds=5.0,
        read_seconds=read_seconds,
        max_connections=max_connections,
        logger=loguru.logger,
        background=background,
    ) as letta:
        yield letta
