"""Requests over real connections: sent once, bounded, and told right when they fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import StartError
from gateway.letta.failures import NOT_SENT
from gateway.letta.transport import PIECE, Sending, Transport, proxy_of
from tests.gateway.lane import until
from tests.gateway.letta.loopback import DONE, PING, SOON, Drop, Loopback, loopback, play, reply


LIMITS = {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 30.0}


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as made:
        yield made


@asynccontextmanager
async def transport(**given: Any) -> AsyncIterator[Transport]:
    """One that is closed at the end."""
    settings = {"max_connections": 10, "idle_seconds": 3.0, "secure": False, **given}
    async with Transport(**settings) as made:
        yield made


def sending(url: str, method: str = "POST", content: bytes = b"{}", **more: Any) -> Sending:
    limits = LIMITS | more.pop("limits", {})
    headers = CIMultiDict({"Content-Type": "application/json", **more.pop("headers", {})})
    return Sending(method, URL(url), headers, content, limits, **more)


async def whole(made: Transport, asked: Sending) -> bytes:
    """The answer's bytes; the connection is free again."""
    response = await made.send(asked)
    try:
        return await response.aread()
    finally:
        await response.aclose()


class Raw:
    """A server that treats each connection as `talk` does, and counts the requests on it."""

    def __init__(self, talk: Any) -> None:
        self.talk = talk
        self.requests = 0
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        self.requests += 1
        return head + await reader.readexactly(length)


@asynccontextmanager
async def raw(talk: Any) -> AsyncIterator[tuple[Raw, str]]:
    served = Raw(talk)
    listening = await asyncio.start_server(served.take, "127.0.0.1", 0)
    try:
        yield served, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class TestOnce:
    async def test_a_kept_connection_that_is_closed(self):
        """The server closes as the second message comes: whether it has it nobody knows."""

        async def talk(self, reader, writer):
            await self.request(reader)
            writer.write(ANSWER)
            await self.request(reader)

        async with raw(talk) as (served, url), transport() as made:
            assert await whole(made, sending(url)) == b"{}"
            with pytest.raises(httpx.TransportError) as caught:
                await made.send(sending(url))
        assert (served.requests, served.connections) == (2, 1)
        assert not isinstance(caught.value, NOT_SENT)

    async def test_a_kept_connection_that_was_closed(self):
        """It is not used, even if the loop has not been told so yet."""

        async def talk(self, reader, writer):
            await self.request(reader)
            writer.write(ANSWER)

        async with raw(talk) as (served, url), transport() as made:
            for _ in range(20):
                assert await whole(made, sending(url)) == b"{}"
        assert (served.requests, served.connections) == (20, 20)

    async def test_a_connection_that_is_reset(self):
        """The same, without a word."""

        async def talk(self, reader, writer):
            await self.request(reader)
            writer.transport.abort()

        async with raw(talk) as (served, url), transport() as made:
            with pytest.raises(httpx.TransportError) as caught:
                await made.send(sending(url))
        assert served.requests == 1
        assert not isinstance(caught.value, NOT_SENT)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: x\r\n\r\n",
        ],
    )
    async def test_an_answer_that_is_none(self, answer):
        """The message was sent, and is not sent again."""

        async def talk(self, reader, writer):
            await self.request(reader)
            writer.write(answer)

        async with raw(talk) as (served, url), transport() as made:
            with pytest.raises(httpx.TransportError) as caught:
                await made.send(sending(url))
        assert served.requests == 1
        assert not isinstance(caught.value, NOT_SENT)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_an_answer(self, server, status):
        """Nothing goes to another address than the one that is set."""

        async def answer(request):
            return web.Response(status=status, headers={"Location": "/elsewhere"})

        server.on("POST", "/here", answer)
        async with transport() as made:
            response = await made.send(sending(f"{server.url}/here"))
            assert response.status_code == status
            await response.aclose()
        assert [asked.path for asked in server.asked] == ["/here"]


class TestNotSent:
    async def test_refused(self):
        """Nobody listens."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with transport() as made:
                with pytest.raises(httpx.ConnectError) as caught:
                    await made.send(sending(f"http://127.0.0.1:{closed.getsockname()[1]}/"))
        assert isinstance(caught.value, NOT_SENT)

    async def test_no_such_name(self):
        """It cannot be looked up."""
        async with transport() as made:
            with pytest.raises(httpx.ConnectError):
                await made.send(sending("http://letta.invalid/"))

    async def test_a_connection_that_nobody_takes(self):
        """The system has queued as many as it may."""
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            address = full.getsockname()
            waiting = [socket.socket() for _ in range(4)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(address)
            async with transport() as made:
                asked = sending(f"http://127.0.0.1:{address[1]}/", limits={"connect": SOON})
                with pytest.raises(httpx.ConnectTimeout):
                    await made.send(asked)
            for each in waiting:
                each.close()

    async def test_no_tls(self):
        """What answers does not speak it."""

        async def talk(self, reader, writer):
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with raw(talk) as (_, url), transport(secure=True) as made:
            with pytest.raises(httpx.ConnectError) as caught:
                await made.send(sending(url.replace("http", "https")))
        assert isinstance(caught.value.__cause__, ssl.SSLError)

    async def test_a_header_that_cannot_be_written(self, server):
        """Not even its beginning is sent."""
        async with transport() as made:
            with pytest.raises(httpx.LocalProtocolError):
                await made.send(sending(server.url, headers={"Authorization": "Bearer x\n"}))
        assert server.asked == []

    async def test_all_connections_in_use(self, server):
        """Until one is free, or for as long as the limit says."""
        server.on("POST", "/", play(PING, asyncio.Event()))
        async with transport(max_connections=1) as made:
            first = await made.send(sending(f"{server.url}/"))
            with pytest.raises(httpx.PoolTimeout):
                await made.send(sending(f"{server.url}/", limits={"pool": 0.01}))
            await first.aclose()
            second = await made.send(sending(f"{server.url}/"))
            await second.aclose()
        assert len(server.asked) == 2


class TestConnections:
    async def test_one_after_another(self, server):
        """What is read to its end leaves its connection to the next."""
        seen = set()

        async def answer(request):
            seen.add(request.transport.get_extra_info("peername"))
            return await play(PING, DONE)(request)

        server.on("POST", "/", answer)
        async with transport() as made:
            for _ in range(20):
                await whole(made, sending(f"{server.url}/"))
        assert len(seen) == 1

    async def test_more_than_a_hundred_at_once(self, server):
        """Neither httpx's nor aiohttp's own limit counts."""
        count, come, gate = 150, 0, asyncio.Event()

        async def answer(request):
            nonlocal come
            come += 1
            if come == count:
                gate.set()
            return await play(gate, DONE)(request)

        server.on("POST", "/", answer)
        async with transport(max_connections=count) as made, asyncio.timeout(20):
            asked = (whole(made, sending(f"{server.url}/")) for _ in range(count))
            assert await asyncio.gather(*asked) == [DONE] * count

    async def test_one_that_was_idle_is_not_used_again(self, server):
        """Letta would close it as the message comes."""
        server.on("POST", "/", reply({}))
        seen = set()

        async def answer(request):
            seen.add(request.transport.get_extra_info("peername"))
            return web.json_response({})

        server.on("POST", "/", answer)
        async with transport(idle_seconds=1e-9) as made:
            for _ in range(3):
                await whole(made, sending(f"{server.url}/"))
        assert len(seen) == 3

    async def test_an_answer_that_is_left_is_cut_off(self, server):
        """The server sees that nobody reads it."""
        left = asyncio.Event()

        async def answer(request):
            try:
                return await play(PING, asyncio.Event())(request)
            finally:
                left.set()

        server.on("POST", "/", answer)
        async with transport() as made, asyncio.timeout(5):
            response = await made.send(sending(f"{server.url}/"))
            await response.aclose()
            await left.wait()

    async def test_no_failure_keeps_a_place(self, server):
        """However it ends, the next request has its connection."""
        server.on("POST", "/drop", play(Drop()))
        server.on("POST", "/half", play(PING, Drop()))
        server.on("POST", "/silent", play(asyncio.Event()))
        server.on("POST", "/fine", reply({}))
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            async with transport(max_connections=1) as made, asyncio.timeout(20):
                for url in (refusing, f"{server.url}/drop", f"{server.url}/half"):
                    with pytest.raises(httpx.TransportError):
                        await whole(made, sending(url))
                waits = asyncio.create_task(made.send(sending(f"{server.url}/silent")))
                await until(lambda: bool(server.sent("POST", "/silent")))
                waits.cancel()
                await asyncio.gather(waits, return_exceptions=True)
                assert await whole(made, sending(f"{server.url}/fine")) == b"{}"


class TestLongBodies:
    BODY = b'{"image":"' + b"x" * (40 * PIECE) + b'"}'

    async def test_it_arrives(self, server):
        """Whole, and with its length."""
        server.on("POST", "/", reply({}))
        async with transport() as made:
            await whole(made, sending(f"{server.url}/", content=self.BODY))
        (asked,) = server.asked
        assert len(asked.body["image"]) == 40 * PIECE
        assert asked.headers["Content-Length"] == str(len(self.BODY))

    async def test_nobody_takes_it(self):
        """A server that stops reading is not waited for; it may have enough of it."""

        async def talk(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            await asyncio.Event().wait()

        async with raw(talk) as (_, url), transport() as made:
            asked = sending(url, content=self.BODY * 8, limits={"write": SOON})
            with pytest.raises(httpx.WriteTimeout) as caught:
                await made.send(asked)
        assert not isinstance(caught.value, NOT_SENT)

    async def test_an_answer_before_it_is_written(self):
        """A server that has seen enough says so."""

        async def talk(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await reader.read()

        async with raw(talk) as (_, url), transport() as made:
            response = await made.send(sending(url, content=self.BODY))
            assert response.status_code == 413
            await response.aclose()


class TestHttpx:
    async def test_an_httpx_request(self, server):
        """The rest of letta-client's requests come so."""
        server.on("GET", "/v1/agents/", reply([1, 2]))
        async with transport() as made, httpx.AsyncClient(transport=made) as http:
            answer = await http.get(f"{server.url}/v1/agents/?name=M%C3%ADlo&x=a%2Fb")
        assert answer.json() == [1, 2]
        (asked,) = server.asked
        assert dict(asked.query) == {"name": "Mílo", "x": "a/b"}
        assert asked.headers["Accept-Encoding"]

    async def test_a_user_in_the_address(self, server):
        """As httpx has it: a header, and nothing in the address."""
        server.on("GET", "/", reply({}))
        async with transport() as made, httpx.AsyncClient(transport=made) as http:
            await http.get(server.url.replace("http://", "http://me:pass@") + "/")
        assert server.asked[0].headers["Authorization"].startswith("Basic ")

    async def test_a_packed_answer(self, server):
        """It is httpx that unpacks it."""

        async def answer(request):
            response = web.json_response({"a": "x" * 1000})
            response.enable_compression(web.ContentCoding.gzip)
            return response

        server.on("GET", "/", answer)
        async with transport() as made, httpx.AsyncClient(transport=made) as http:
            answered = await http.get(f"{server.url}/")
        assert answered.json() == {"a": "x" * 1000}
        assert answered.headers["Content-Encoding"] == "gzip"


class TestProxy:
    async def test_requests_go_through_it(self):
        """With the whole address in the first line, and what it wants to know of the user."""
        heads = []

        async def talk(self, reader, writer):
            heads.append(await self.request(reader))
            writer.write(ANSWER)

        async with raw(talk) as (_, url):
            proxy = url.replace("http://", "http://me:pass@").rstrip("/")
            async with transport(proxy=proxy) as made:
                assert await whole(made, sending("http://letta.invalid/v1/x")) == b"{}"
        (head,) = heads
        assert head.startswith(b"POST http://letta.invalid/v1/x HTTP/1.1\r\n")
        assert b"proxy-authorization: basic" in head.lower()

    async def test_it_does_not_answer(self):
        """Nothing was sent, to anybody."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
            async with transport(proxy=proxy) as made:
                with pytest.raises(httpx.ProxyError) as caught:
                    await made.send(sending("http://letta.invalid/"))
        assert isinstance(caught.value, NOT_SENT)

    @pytest.mark.parametrize(
        ("address", "environment", "proxy"),
        [
            ("http://letta:8283", {}, None),
            ("http://letta:8283", {"http_proxy": "http://p:1"}, "http://p:1"),
            ("http://letta:8283", {"https_proxy": "http://p:1"}, None),
            ("https://letta", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
            ("https://letta", {"all_proxy": "p:1"}, "http://p:1"),
            ("http://letta:8283", {"http_proxy": "http://p:1", "no_proxy": "letta"}, None),
            ("http://letta:8283", {"http_proxy": "http://p:1", "no_proxy": "letta:8283"}, None),
            ("http://a.in", {"http_proxy": "http://p:1", "no_proxy": "x,.in"}, None),
            ("http://letta:8283", {"http_proxy": "http://p:1", "no_proxy": "*"}, None),
        ],
    )
    def test_which_one(self, monkeypatch, address, environment, proxy):
        """As the environment says, in the ways that other programs understand."""
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert proxy_of(address) == proxy

    def test_one_that_cannot_be_used(self, monkeypatch):
        """The start says so, and not every request."""
        monkeypatch.setenv("all_proxy", "socks5://p:1")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(StartError, match="socks5"):
            proxy_of("gopher://letta")
