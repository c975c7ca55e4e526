"""Responses that another process answers: the store is shared, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from tests.gateway.lane import until
from tests.gateway.played_letta import PlayedLetta, Step, ping, played, stop, text
from tests.gateway.serving import Listening, over
from tests.gateway.store.redis_server import RedisServer
from tests.gateway.surfaces.responses.asking import again, error_of, found, response_of
from tests.gateway.surfaces.responses.reading import check, said_in


pytestmark = pytest.mark.needs_command("redis-server", package="redis-server")


@attrs.frozen
class Two:
    """Two gateways over one Letta and one store."""

    letta: PlayedLetta
    one: Listening
    other: Listening
    go: asyncio.Event


@pytest.fixture(name="two")
async def _two(tmp_path: Path) -> AsyncIterator[Two]:
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, text(" two"), stop()]
    server = RedisServer(tmp_path)
    server.start()
    store = {"use": "redis", "url": server.url}
    try:
        async with (
            played({"Milo": script}) as letta,
            over(letta.url, tmp_path, store=store) as one,
            over(letta.url, tmp_path, store=store) as other,
        ):
            yield Two(letta, one, other, go)
    finally:
        server.kill()


async def test_read(two: Two) -> None:
    """As it stands, as a stream from any place, and when it is done."""
    running = await response_of(two.one, background=True)
    async with asyncio.timeout(10):
        while said_in(await found(two.other, running["id"])) != "one":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    reading = asyncio.create_task(again(two.other, running["id"]))
    two.go.set()
    frames = await reading
    assert said_in(check(frames)) == "one two"
    assert await again(two.one, running["id"]) == frames
    assert await again(two.other, running["id"], 4) == frames[5:]
    assert await found(two.other, running["id"]) == await found(two.one, running["id"])


async def test_stopped(two: Two) -> None:
    """The run is cancelled at Letta, whoever runs it."""
    running = await response_of(two.one, background=True)
    await two.letta.busy.wait()
    path = f"/v1/responses/{running['id']}"
    async with two.other.session.post(f"{two.other.url}{path}/cancel") as answer:
        assert (await answer.json())["status"] == "cancelled"
    await until(lambda: bool(two.letta.cancelled))
    assert (await found(two.one, running["id"]))["status"] == "cancelled"
    async with two.other.session.delete(f"{two.other.url}{path}") as answer:
        assert answer.status == 200
    assert (await error_of(two.one.get(path)))[0] == 404


async def test_followed(two: Two) -> None:
    """A chain goes on wherever its next request comes in."""
    two.go.set()
    first = await response_of(two.one, "one")
    second = await response_of(two.other, "two", previous_response_id=first["id"])
    await response_of(two.one, "three", previous_response_id=second["id"])
    asked = [[m["content"] for m in body["messages"]] for body in two.letta.asked]
    assert asked == [["one"], ["two"], ["three"]]
    assert len(two.letta.conversations) == 1
