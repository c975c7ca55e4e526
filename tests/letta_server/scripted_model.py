"""An OpenAI-compatible model that does as it is told; `script.py` says how to tell it.

Beside the model's own paths it has two for tests: `/requests` (what it was asked: GET to read,
DELETE to forget) and `/gates/NAME` (POST to open, so that an answer waiting there goes on).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web

from tests.letta_server import answer
from tests.letta_server.playback import Dropped, Playback
from tests.letta_server.script import BadScript


MODELS = ("scripted-1", "scripted-2", "o3-mini")
Json = dict[str, Any]


@asynccontextmanager
async def scripted_model() -> AsyncIterator[str]:
    """Serve a model on a free port of 127.0.0.1; gives its address, without `/v1`."""
    runner = web.AppRunner(ScriptedModel().app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@attrs.define
class ScriptedModel:
    """The model as a web application."""

    asked: deque[Json] = attrs.field(factory=lambda: deque(maxlen=2000))
    gates: dict[str, asyncio.Event] = attrs.field(factory=lambda: defaultdict(asyncio.Event))

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 28)
        app.on_response_prepare.append(_close_afterwards)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/embeddings", self.embeddings)
        app.router.add_get("/requests", self.requests)
        app.router.add_delete("/requests", self.forget)
        app.router.add_post("/gates/{name}", self.open)
        return app

    async def models(self, _: web.Request) -> web.Response:
        about = {"object": "model", "created": 1, "owned_by": "tests", "context_length": 128000}
        found = [{"id": name, **about} for name in MODELS]
        return web.json_response({"object": "list", "data": found})

    async def embeddings(self, request: web.Request) -> web.Response:
        body = await request.json()
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vector = [0.01] * body.get("dimensions", 1536)
        data = [
            {"object": "embedding", "index": place, "embedding": vector}
            for place in range(len(texts))
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return web.json_response(
            {"object": "list", "model": body["model"], "data": data, "usage": usage}
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append({"body": body, "headers": dict(request.headers)})
        try:
            step = answer.step_for(body)
        except BadScript as problem:
            return _error(400, f"bad script: {problem}")
        await asyncio.sleep(step.before)
        retries = int(request.headers.get("x-stainless-retry-count", 0))
        if step.status and (step.times is None or retries < step.times):
            return _error(step.status, step.message, step.code)
        return await _play(Playback(step, body, self.gates), request)

    async def requests(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.asked))

    async def forget(self, _: web.Request) -> web.Response:
        self.asked.clear()
        return web.Response(status=204)

    async def open(self, request: web.Request) -> web.Response:
        self.gates[request.match_info["name"]].set()
        return web.Response(status=204)


async def _play(playback: Playback, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    try:
        if not playback.request.get("stream"):
            return web.json_response(await playback.whole())
        await response.prepare(request)
        async for chunk in playback.chunks():
            await response.write(b"data: " + chunk + b"\n\n")
    except (Dropped, ConnectionResetError):
        if request.transport:
            request.transport.close()
    return response


def _error(status: int, message: str, code: str | None = None) -> web.Response:
    said = message or f"scripted error {status}"
    error = {"message": said, "type": "scripted", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


async def _close_afterwards(_: web.Request, response: web.StreamResponse) -> None:
    """Letta never closes its connections to a model, and a leaked one stalls it for a minute."""
    response.headers["Connection"] = "close"
    response.force_close()
