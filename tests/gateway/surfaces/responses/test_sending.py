"""An answer goes out, and what may happen on its way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import loguru
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import Reject
from gateway.events import Event, Finish, Status, TextDelta
from gateway.services import Context, LoopClock
from gateway.surfaces.responses.encoder import Encoder
from gateway.surfaces.responses.request import parse
from gateway.surfaces.responses.sending import send
from gateway.surfaces.responses.shell import Shell, repeated
from gateway.web.request import ASKING, Asking
from gateway.web.running import RUNNING, Running
from tests.gateway.surfaces.responses.reading import check, frames_of, said_in


NOBODY: Any = None  # nothing is asked


async def sent(*batches: Any) -> bytes:
    """What a client gets when these batches come; an exception is raised."""

    async def coming() -> AsyncGenerator[Sequence[Event], None]:
        for batch in batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    async def handler(request: web.Request) -> web.StreamResponse:
        request[ASKING] = Asking(Context("r", LoopClock()), NOBODY, {}, loguru.logger)
        wanted = parse({"model": "Milo", "input": "Hi"})
        shell = Shell("resp_1", "1", 5, "Milo", repeated(wanted))
        return await send(request, Encoder(shell), coming())

    app = web.Application()
    app[RUNNING] = Running()
    app.add_routes([web.get("/", handler)])
    async with TestClient(TestServer(app)) as client, client.get("/") as answer:
        return await answer.read()


async def test_a_silence_is_a_comment() -> None:
    """Events that make no frame are no reason for one."""
    data = await sent((), (TextDelta("Hi", "m"),), (Status("s"),), (), (Finish(),))
    assert data.count(b": ping\n") == 2
    assert said_in(check(frames_of(data))) == "Hi"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (Reject(503, "store_unavailable", "No."), "store_unavailable"),
        (ValueError("secret"), "internal_error"),
    ],
)
async def test_what_breaks_in_between(raised: Exception, code: str) -> None:
    """What was said stands, and the last frame says so; the log says why."""
    response = check(frames_of(await sent((TextDelta("Half", "m"),), raised)))
    assert (response["status"], response["error"]["code"]) == ("failed", code)
    assert said_in(response) == "Half"
    assert "secret" not in response["error"]["message"]
