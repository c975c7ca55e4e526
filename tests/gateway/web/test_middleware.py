"""Around every request: ids, errors in OpenAI's shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import loguru
import pytest
from aiohttp import web

from gateway.counted import Load
from gateway.errors import StoreError
from gateway.live import Generation
from gateway.services import LoopClock
from gateway.web.access import Access
from gateway.web.capacity import Capacity
from gateway.web.middleware import Doorman
from tests.gateway.played_letta import said
from tests.gateway.serving import USER, serving


MILO = {"Milo": said("Hello")}
BODY = {"model": "Milo", "messages": USER}


async def test_every_answer_has_a_request_id(tmp_path: Path) -> None:
    """Whole answers, streams, errors and lists each have their own."""
    seen = set()
    async with serving(tmp_path, MILO) as served:
        for ask in (
            served.post(BODY),
            served.post({**BODY, "stream": True}),
            served.post({**BODY, "model": "nobody"}),
            served.post(data=b"{"),
            served.get("/v1/models"),
            served.get("/nope"),
            served.get("/health"),
            served.get("/v1/chat/completions"),
        ):
            async with ask as answer:
                seen.add(answer.headers["x-request-id"])
    assert len(seen) == 8


async def test_the_clients_own_request_id(tmp_path: Path) -> None:
    """A client may name its request, and the SDK tells the name in its errors."""
    async with serving(tmp_path, MILO) as served:
        async with served.post(BODY, headers={"x-request-id": "my-id.1:2"}) as answer:
            assert answer.headers["x-request-id"] == "my-id.1:2"
            assert (await answer.json())["id"] == "chatcmpl-my-id.1:2"
        async with served.openai() as client:
            answered = await client.chat.completions.create(model="Milo", messages=USER)
            assert answered._request_id


@pytest.mark.parametrize("sent", ["a b", 'a"b', "é", "x" * 129, "", "<b>", "a,b"])
async def test_a_request_id_that_is_none(tmp_path: Path, sent: str) -> None:
    """What would be trouble in a log or a header is not taken."""
    async with (
        serving(tmp_path, MILO) as served,
        served.get("/health", headers={"x-request-id": sent}) as answer,
    ):
        assert answer.headers["x-request-id"] != sent
        assert len(answer.headers["x-request-id"]) == 24


async def test_the_server_does_not_tell_its_versions(tmp_path: Path) -> None:
    """The name is enough."""
    async with serving(tmp_path, MILO) as served:
        for ask in (served.post(BODY), served.post({**BODY, "stream": True}), served.get("/nope")):
            async with ask as answer:
                assert answer.headers["Server"] == "letta-gateway"


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionResetError("secret"),
        TimeoutError("secret"),
        KeyError("secret"),
        asyncio.QueueFull("secret"),
    ],
)
async def test_a_failure_inside_is_told(failure: Exception) -> None:
    """Whatever breaks, a client that is still there is answered, and told nothing of it."""

    async def fail(request: web.Request) -> web.Response:
        raise failure

    async with around(fail) as url, aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 500
        assert answer.headers["x-request-id"]
        assert answer.headers["x-should-retry"] == "false"
        error = (await answer.json())["error"]
    assert error["code"] == "internal_error"
    assert "secret" not in error["message"]


async def test_an_error_of_the_gateways_own_is_told() -> None:
    """What the gateway raises on purpose has its status and its words."""

    async def fail(request: web.Request) -> web.Response:
        raise StoreError("The disk is full.")

    async with around(fail) as url, aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 503
        error = (await answer.json())["error"]
    assert (error["code"], error["message"]) == (
        "store_unavailable",
        "The gateway's store does not answer.",
    )


@asynccontextmanager
async def around(handler: Any) -> AsyncIterator[str]:
    """The doorman in front of one handler."""
    generation = Generation(None, Access())  # type: ignore[arg-type]
    capacity = Capacity(10, Load(), loguru.logger)
    doorman = Doorman(lambda: generation, LoopClock(), loguru.logger, capacity)
    app = web.Application(middlewares=[doorman.admit])
    app.router.add_get("/", handler)
    app.on_response_prepare.append(doorman.stamp)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
