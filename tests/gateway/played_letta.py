"""A small Letta whose agents do what a test writes down, and wait when it says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import attrs
from aiohttp import web


RUN = "run-00000000-0000-4000-8000-000000000001"


@attrs.frozen
class Refusal:
    """Answer with this HTTP status instead of a stream."""

    status: int
    body: Any = attrs.field(factory=dict)


@attrs.frozen
class Drop:
    """Cut the connection."""


# A frame, bytes as they are, something to wait for (or the run's cancel), or an end.
Step: TypeAlias = Mapping[str, Any] | bytes | asyncio.Event | Refusal | Drop
Script: TypeAlias = Sequence[Step] | Callable[[Mapping[str, Any]], Sequence[Step]]

DONE = b"data: [DONE]\n\n"


def ping() -> Step:
    """What Letta sends first of all: with it the run's id is known."""
    return {"message_type": "ping", "run_id": RUN}


def text(words: str, message: str = "message-1") -> Step:
    """A piece of the answer."""
    return {"message_type": "assistant_message", "id": message, "content": words}


def reasoning(words: str, message: str = "message-1") -> Step:
    """A piece of reasoning."""
    return {"message_type": "reasoning_message", "id": message, "reasoning": words}


def usage(prompt: int = 7, completion: int = 3) -> Step:
    """The tokens."""
    return {
        "message_type": "usage_statistics",
        "prompt_tokens": prompt,
        "completion_tokens": completion,
    }


def stop(reason: str = "end_turn") -> Step:
    """The ending."""
    return {"message_type": "stop_reason", "stop_reason": reason}


def error(kind: str, message: str, detail: str = "") -> Step:
    """An error in mid-stream."""
    frame = {"message_type": "error_message", "error_type": kind}
    return {**frame, "message": message, "detail": detail, "run_id": RUN}


def said(*words: str) -> Sequence[Step]:
    """A whole answer in these pieces."""
    return [ping(), *(text(word) for word in words), stop(), usage(), DONE]


def echo(body: Mapping[str, Any]) -> Sequence[Step]:
    """An answer that repeats the last message, word by word."""
    return said(*(f"{word} " for word in body["messages"][-1]["content"].split()))


@attrs.define
class PlayedLetta:
    """
    `scripts` by the agent's name; `asked`, `cancelled` and `deleted` are what it was sent.

    `busy` is set when it has been asked something, `forgotten` when a conversation has been
    deleted.
    """

    scripts: dict[str, Script]
    url: str = ""
    down: Refusal | None = None
    asked: list[Mapping[str, Any]] = attrs.field(factory=list)
    cancelled: list[str] = attrs.field(factory=list)
    deleted: list[str] = attrs.field(factory=list)
    busy: asyncio.Event = attrs.field(factory=asyncio.Event)
    forgotten: asyncio.Event = attrs.field(factory=asyncio.Event)
    conversations: dict[str, str] = attrs.field(factory=dict)
    """The agent of each that was made."""
    _cancel: asyncio.Event = attrs.field(factory=asyncio.Event)

    def app(self) -> web.Application:
        """The server."""
        app = web.Application(middlewares=[self._maybe_down], client_max_size=2**28)
        app.add_routes(
            [
                web.get("/v1/agents/", self._list),
                web.get("/v1/agents/{agent}", self._unknown),
                web.get("/v1/agents/{agent}/tools", self._none),
                web.post("/v1/agents/{agent}/messages/cancel", self._cancelled),
                web.get("/v1/conversations/", self._none),
                web.get("/v1/tools/", self._none),
                web.post("/v1/conversations/", self._create),
                web.delete("/v1/conversations/{conversation}", self._delete),
                web.post("/v1/conversations/{conversation}/messages", self._answer),
            ]
        )
        return app

    @web.middleware
    async def _maybe_down(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.down is not None:
            if isinstance(self.down.body, str):
                page = self.down.body
                return web.Response(status=self.down.status, text=page, content_type="text/html")
            return web.json_response(self.down.body, status=self.down.status)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _list(self, request: web.Request) -> web.Response:
        if "after" in request.query:
            return web.json_response([])
        return web.json_response([_agent(i, name) for i, name in enumerate(self.scripts)])

    async def _unknown(self, request: web.Request) -> web.Response:
        return web.json_response({"detail": "Agent not found"}, status=404)

    async def _none(self, request: web.Request) -> web.Response:
        return web.json_response([])

    async def _create(self, request: web.Request) -> web.Response:
        conversation = f"conv-{len(self.conversations)}"
        self.conversations[conversation] = request.query["agent_id"]
        return web.json_response({"id": conversation, "agent_id": request.query["agent_id"]})

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["conversation"])
        self.forgotten.set()
        return web.json_response({})

    async def _cancelled(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.cancelled += body["run_ids"]
        self._cancel.set()
        return web.json_response(dict.fromkeys(body["run_ids"], "cancelled"))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.busy.set()
        agent = self.conversations[request.match_info["conversation"]]
        script = list(self.scripts.values())[int(agent.rpartition("-")[2])]
        steps = script(body) if callable(script) else script
        if steps and isinstance(steps[0], Refusal):
            return web.json_response(steps[0].body, status=steps[0].status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step in steps:
            if await self._play(step, request, response):
                break
        return response

    async def _play(self, step: Step, request: web.Request, response: web.StreamResponse) -> bool:
        match step:
            case bytes():
                await response.write(step)
            case asyncio.Event():
                return await self._wait(step, response)
            case Drop():
                assert request.transport is not None
                request.transport.close()
                return True
            case _:
                await response.write(b"data: " + json.dumps(step).encode() + b"\n\n")
        return False

    async def _wait(self, event: asyncio.Event, response: web.StreamResponse) -> bool:
        """Wait; true if the run was cancelled instead."""
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self._cancel)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if event.is_set():
            return False
        self._cancel.clear()
        await response.write(b"data: " + json.dumps(stop("cancelled")).encode() + b"\n\n")
        return True


def _agent(number: int, name: str) -> Mapping[str, Any]:
    return {
        "id": f"agent-00000000-0000-4000-8000-{number:012d}",
        "name": name,
        "agent_type": "letta_v1_agent",
        "description": None,
        "tags": [],
        "created_at": "2026-01-02T03:04:05+00:00",
    }


@asynccontextmanager
async def played(scripts: Mapping[str, Script]) -> AsyncIterator[PlayedLetta]:
    """A server on a free port, for as long as the block lasts."""
    letta = PlayedLetta(dict(scripts))
    runner = web.AppRunner(letta.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        letta.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield letta
    finally:
        await runner.cleanup()
