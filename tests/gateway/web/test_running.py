"""Requests that are called off when the gateway cannot wait for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import Reject
from gateway.web.running import RUNNING, Running, stopped
from tests.gateway.played_letta import DONE, RUN, Script, ping, said, stop, text
from tests.gateway.serving import USER, Served, serving
from tests.gateway.surfaces.reading import chunks_of


BODY = {"model": "Milo", "messages": USER}


def silent(_: object) -> Script:
    """A word, and then nothing until the run is cancelled."""
    return [ping(), text("one "), asyncio.Event(), stop(), DONE]


def dumb(_: object) -> Script:
    """Not even that."""
    return [ping(), asyncio.Event(), stop(), DONE]


def running(served: Served) -> Running:
    return served.gateway.app[RUNNING]


async def test_a_stream_is_told(tmp_path: Path) -> None:
    """What has been said stands; one error frame and `[DONE]` follow, and the run is cancelled."""
    async with serving(tmp_path, {"Milo": silent}) as served:
        async with served.post({**BODY, "stream": True}) as answer:
            await answer.content.readuntil(b"one ")
            ended = running(served).end()
            *_, failed, done = await chunks_of(answer)
        async with asyncio.timeout(20):
            await served.letta.forgotten.wait()

    assert (ended, done) == (1, "[DONE]")
    assert failed["error"]["code"] == "gateway_stopping"
    assert served.letta.cancelled == [RUN]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_has_not_begun(tmp_path: Path, stream: bool) -> None:
    """It is an HTTP error; Letta may have kept the message, so it is not to be sent again."""
    async with serving(tmp_path, {"Milo": dumb}) as served:
        asking = asyncio.create_task(_asked(served, stream=stream))
        async with asyncio.timeout(20):
            await served.letta.busy.wait()
        running(served).end()
        status, again, code = await asking
        async with asyncio.timeout(20):
            await served.letta.forgotten.wait()

    assert (status, again, code) == (503, "false", "gateway_stopping")
    assert served.letta.cancelled == [RUN]


async def _asked(served: Served, *, stream: bool) -> tuple[int, str | None, str]:
    async with served.post({**BODY, "stream": stream}) as answer:
        error = (await answer.json())["error"]
        return answer.status, answer.headers.get("x-should-retry"), error["code"]


async def test_a_request_that_comes_too_late(tmp_path: Path) -> None:
    """It has not reached Letta: another gateway may have it."""
    async with serving(tmp_path, {"Milo": said("Hello")}) as served:
        assert running(served).end() == 0
        assert await _asked(served, stream=False) == (503, None, "gateway_stopping")
    assert served.letta.asked == []


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    """Nothing is left of its request that could be called off."""
    async with serving(tmp_path, {"Milo": silent}) as served:
        async with served.post({**BODY, "stream": True}) as answer:
            await answer.content.readuntil(b"one ")
        async with asyncio.timeout(20):
            await served.letta.forgotten.wait()
        assert running(served).end() == 0


async def test_a_second_call() -> None:
    """Whoever is still busy with telling is cancelled without a further word."""
    running, told = Running(), asyncio.Event()

    async def busy() -> None:
        with running.request():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                assert running.called_off()
                assert not running.called_off()
                told.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(busy())
    await asyncio.sleep(0)
    assert running.end() == 1
    await told.wait()
    assert running.end() == 1
    await asyncio.wait([task])
    assert task.cancelled()
    assert running.cut() == 0


async def test_it_says_why() -> None:
    """A request that is cancelled by something else is not answered so."""
    running = Running()
    with pytest.raises(asyncio.CancelledError), running.request():
        raise asyncio.CancelledError
    running.end()
    with pytest.raises(Reject, match="stopping"), running.request():
        pytest.fail("it was let in")
    assert stopped().code == "gateway_stopping"
