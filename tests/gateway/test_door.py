"""The door: who comes in, and when."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import attrs
import loguru
import pytest
from aiohttp import web

from gateway.door import Door
from gateway.serve import bind, url_of
from gateway.workers.board import Board
from gateway.workers.worker import Others
from tests.gateway.lane import logged
from tests.gateway.test_files import most_files
from tests.gateway.waiting import until


MANY = 150


async def hello(request: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


@attrs.frozen
class House:
    """Where the door is, and who is inside."""

    url: str
    server: web.Server

    async def knock(self) -> socket.socket:
        """A connection, which is not let in yet."""
        host, port = self.url.removeprefix("http://").split(":")
        connection = socket.socket()
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
        return connection


@asynccontextmanager
async def house(others: Others | None = None) -> AsyncIterator[House]:
    """A server behind a door."""
    server = web.Server(hello)
    listening = bind("127.0.0.1", 0)
    url = url_of(listening)
    async with Door(listening, server, loguru.logger, others):
        yield House(url, server)
    server.pre_shutdown()
    await server.shutdown(0.1)


@pytest.fixture(name="log")
def _log() -> Iterator[list[str]]:
    with logged() as lines:
        yield lines


async def test_many_at_once() -> None:
    """All are let in, and the door is closed at the end."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:
        async with house() as inside:
            answers = await asyncio.gather(*(client.get(inside.url) for _ in range(MANY)))
            assert [answer.status for answer in answers] == [200] * MANY
            assert len(inside.server.connections) == MANY
            for answer in answers:
                answer.release()
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(inside.url)


async def test_the_worker_with_the_fewest_goes_first() -> None:
    """One with more connections lets in nobody at once, and somebody in the end."""
    board = Board(2)
    board.has(2, 0)
    async with house(Others(1, board)) as inside, aiohttp.ClientSession() as client:
        for _ in range(5):  # the other one has stopped: nobody else lets them in
            async with client.get(inside.url, headers={"Connection": "keep-alive"}) as answer:
                assert await answer.text() == "hello"
        held = [await inside.knock() for _ in range(5)]
        await until(lambda: len(inside.server.connections) == 5)
        assert board.fewest(but=2) is not None
        for each in held:
            each.close()
    assert board.fewest(but=2) is None


async def test_no_files_are_left(log: list[str]) -> None:
    """Who comes then waits until there are some, and the log says why."""
    async with house() as inside:
        first = await inside.knock()
        await until(lambda: inside.server.connections)
        second = socket.socket()
        second.setblocking(False)
        with most_files(second.fileno() + 1):
            host, port = inside.url.removeprefix("http://").split(":")
            await asyncio.get_running_loop().sock_connect(second, (host, int(port)))
            await until(lambda: any("no connection can be taken" in line for line in log))
            assert len(inside.server.connections) == 1
        await until(lambda: len(inside.server.connections) == 2)
        first.close()
        second.close()
