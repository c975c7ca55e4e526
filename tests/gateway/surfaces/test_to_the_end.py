from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.errors import Reject
from gateway.events import Error, Event, Finish, TextDelta
from gateway.surfaces.to_the_end import to_the_end
from gateway.web.running import RUNNING, Running


ONE, END = [TextDelta("one", "m")], [Finish()]
REJECT = Reject(409, "busy", "Later.")


async def out(*given: Sequence[Event] | BaseException, **more: Any) -> list[Any]:
    """What goes out of these batches; an exception breaks them off."""
    app, sent = web.Application(), list[Any]()
    app[RUNNING] = Running()

    async def batches() -> AsyncGenerator[Sequence[Event], None]:
        for each in given:
            if isinstance(each, BaseException):
                raise each
            yield each

    async def put(batch: Sequence[Event]) -> None:
        sent.append(batch)

    async def last(error: Error) -> None:
        sent.append(error.code)

    await to_the_end(make_mocked_request("POST", "/", app=app), batches(), put, last, **more)
    return sent


async def test_all_of_it() -> None:
    """The batches as they come, behind the first, an empty one too."""
    assert await out(ONE, END) == [ONE, END]
    assert await out(END, first=ONE) == [ONE, END]
    assert await out(END, first=()) == [(), END]


async def test_a_refusal() -> None:
    """It is the end of what had begun, in the surface's words if it has its own."""
    assert await out(ONE, REJECT) == [ONE, "busy"]
    ours = Error(400, "t", "ours", "x")
    assert await out(ONE, REJECT, told=lambda _: ours) == [ONE, "ours"]


@pytest.mark.parametrize("gone", [ConnectionResetError(), TimeoutError(), asyncio.CancelledError()])
async def test_a_client_that_has_left(gone: BaseException) -> None:
    """It is told nothing."""
    with pytest.raises(type(gone)):
        await out(ONE, gone)
