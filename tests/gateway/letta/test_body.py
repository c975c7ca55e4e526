from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from multidict import CIMultiDict
from yarl import URL

from gateway.letta.body import Body
from gateway.letta.transport import BODY, Sending, Transport
from tests.gateway.lane import until
from tests.gateway.letta.loopback import DONE, PING, SOON, TEXT, Drop, Loopback, loopback, play


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as made:
        yield made


@asynccontextmanager
async def body(server: Loopback, *, read_seconds: float | None = 30.0) -> AsyncIterator[Body]:
    """The body of the server's answer."""
    limits = {"connect": 5.0, "read": read_seconds, "write": 5.0, "pool": 5.0}
    asked = Sending("POST", URL(f"{server.url}/messages"), CIMultiDict(), b"{}", limits)
    async with Transport(max_connections=1, idle_seconds=3.0, secure=False) as transport:
        response = await transport.send(asked)
        yield response.extensions[BODY]
        await response.aclose()


async def test_all_that_is_there(server):
    """One read gives what has come since the last; then nothing comes any more."""
    more = asyncio.Event()
    server.on("POST", "/messages", play(PING, more, TEXT + DONE))
    async with body(server) as read:
        assert await read.read() == PING
        more.set()
        assert await read.read() == TEXT + DONE
        assert await read.read() == b""
        assert await read.read() == b""


async def test_it_can_be_iterated(server):
    """As httpx does."""
    server.on("POST", "/messages", play(PING, TEXT, DONE))
    async with body(server) as read:
        assert b"".join([chunk async for chunk in read]) == PING + TEXT + DONE


async def test_all_of_it(server):
    """Up to the end, in however many pieces it comes."""
    server.on("POST", "/messages", play(PING, TEXT, DONE))
    async with body(server) as read:
        assert await read.whole() == PING + TEXT + DONE
        assert await read.whole() == b""


async def test_cancelling_a_read_loses_nothing(server):
    """The next one gives what comes."""
    more = asyncio.Event()
    server.on("POST", "/messages", play(PING, more, TEXT))
    async with body(server) as read:
        await read.read()
        reading = asyncio.create_task(read.read())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        more.set()
        assert await read.read() == TEXT


async def test_cancelling_a_read_as_something_comes_loses_nothing(server):
    """Both in one turn of the loop."""
    more = asyncio.Event()
    server.on("POST", "/messages", play(PING, more, TEXT))
    async with body(server) as read:
        await read.read()
        reading = asyncio.create_task(read.read())
        await asyncio.sleep(0)
        before = read.response.content.total_bytes
        more.set()
        while read.response.content.total_bytes == before:  # noqa: ASYNC110  in just that turn
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        got = b"" if reading.cancelled() else reading.result()
        assert got + await read.read() == TEXT


class TestFailures:
    async def test_what_came_before_is_given(self, server):
        """Also if nobody was waiting when the connection broke; after it the failure."""
        gone = asyncio.Event()
        server.on("POST", "/messages", play(PING, gone, TEXT, Drop()))
        async with body(server) as read:
            await read.read()
            gone.set()
            await until(lambda: read.response.content.exception() is not None)
            assert await read.read() == TEXT
            for _ in range(2):
                with pytest.raises(httpx.RemoteProtocolError):
                    await read.read()

    async def test_a_chunk_that_is_cut_off(self, server):
        """It is no end."""

        async def answer(request):
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            request.transport.write(head + b"40\r\n" + PING[:9])
            request.transport.close()
            return await play(PING)(request)

        server.on("POST", "/messages", answer)
        async with body(server) as read:
            assert await read.read() == PING[:9]
            with pytest.raises(httpx.TransportError):
                await read.read()

    async def test_a_chunk_that_is_none(self, server):
        """What came before it stands; aiohttp says nothing of it, so it is a silence."""
        more = asyncio.Event()

        async def answer(request):
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            request.transport.write(head)
            await more.wait()
            request.transport.write(b"1\r\nx\r\nnonsense\r\n")
            return await play(asyncio.Event())(request)

        server.on("POST", "/messages", answer)
        async with body(server, read_seconds=SOON) as read:
            more.set()
            assert await read.read() == b"x"
            with pytest.raises(httpx.TransportError):
                await read.read()

    async def test_a_chunk_that_is_none_while_it_is_waited_for(self, server):
        """aiohttp closes the connection and wakes nobody: it is seen soon, and is a failure."""
        more = asyncio.Event()

        async def answer(request):
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            request.transport.write(head + b"1\r\nx\r\n")
            await more.wait()
            request.transport.write(b"1\r\nmore than one\r\n")
            return await play(asyncio.Event())(request)

        server.on("POST", "/messages", answer)
        async with body(server, read_seconds=SOON) as read:
            assert await read.read() == b"x"
            rest = asyncio.create_task(_rest(read))
            await asyncio.sleep(0)
            more.set()
            with pytest.raises(httpx.RemoteProtocolError):
                await rest

    async def test_reading_what_is_closed(self, server):
        """It fails, and does not wait for ever."""
        server.on("POST", "/messages", play(PING, asyncio.Event()))
        async with body(server) as read:
            await read.read()
            await read.aclose()
            with pytest.raises(httpx.TransportError):
                await read.read()


class TestSilence:
    async def test_after_something_came(self, server):
        """It is a failure after a while."""
        server.on("POST", "/messages", play(PING, TEXT, asyncio.Event()))
        async with body(server, read_seconds=SOON) as read:
            await until(lambda: read.response.content.total_bytes == len(PING + TEXT))
            assert await read.read() == PING + TEXT
            with pytest.raises(httpx.ReadTimeout):
                await read.read()

    async def test_nothing_after_the_headers(self, server):
        """The same."""

        async def answer(request):
            request.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            return await play(asyncio.Event())(request)

        server.on("POST", "/messages", answer)
        async with body(server, read_seconds=SOON) as read:
            with pytest.raises(httpx.ReadTimeout):
                await read.read()

    async def test_it_is_no_silence_if_nobody_listens(self, server):
        """A client that reads slowly does not make Letta fail."""
        more = asyncio.Event()
        server.on("POST", "/messages", play(PING, more, TEXT))
        async with body(server, read_seconds=0.08) as read:
            await read.read()
            await _looks(read, 8)
            more.set()
            assert await read.read() == TEXT

    async def test_without_a_limit(self, server):
        """Nothing is looked for."""
        server.on("POST", "/messages", play(PING, DONE))
        async with body(server, read_seconds=None) as read:
            assert read._timer is None
            assert b"".join([chunk async for chunk in read]) == PING + DONE

    async def test_no_timer_is_left(self, server):
        """What is closed is forgotten."""
        server.on("POST", "/messages", play(PING, asyncio.Event()))
        async with body(server) as read:
            assert read._timer is not None
            await read.aclose()
            assert read._timer.cancelled()


async def _rest(read: Body) -> bytes:
    return b"".join([chunk async for chunk in read])


async def _looks(read: Body, times: int) -> None:
    """Wait until it has looked for silence so often."""
    for _ in range(times):
        timer = read._timer
        await until(lambda timer=timer: read._timer is not timer)
