"""letta-client as the gateway uses it; what Letta is asked with it is in `test_client`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from letta_client import APIConnectionError, APITimeoutError, BadRequestError, NotFoundError

from tests.gateway.letta.loopback import SOON, Drop, Loopback, connected, loopback, play, reply


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as made:
        yield made


async def test_the_same_request(server):
    """A plain request has the headers of letta-client's own; Letta looks at some of them."""
    server.on("POST", "/v1/conversations/", reply({"id": "conv-1"}))
    async with connected(server.url, "sk-letta") as letta:
        await letta.client.conversations.create(agent_id="agent-1", summary="x")
        await letta.client.ask("POST", "/v1/conversations/?agent_id=agent-1", {"summary": "x"})
    theirs, ours = server.asked
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    assert dict(ours.query) == dict(theirs.query)
    kept = {"x-stainless-retry-count", "x-stainless-read-timeout"}
    expected = {k.lower(): v for k, v in theirs.headers.items() if k.lower() not in kept}
    assert {k.lower(): v for k, v in ours.headers.items()} == expected


async def test_an_address_with_a_path_and_a_user(server):
    """As letta-client has it: the path comes first, the user goes into a header."""
    server.on("POST", "/v1/x", reply({}))
    server.on("GET", "/v1/agents/", reply([]))
    url = server.url.replace("http://", "http://me:p%40ss@") + "/below/"
    async with connected(url) as letta:
        await letta.client.ask("POST", "/v1/x")
        await letta.agents()
    ours, theirs = server.asked
    assert (ours.path, theirs.path) == ("/below/v1/x", "/below/v1/agents/")
    assert ours.headers["Authorization"] == theirs.headers["Authorization"]


async def test_half_a_character(server):
    """It cannot be sent, and does not fail the request either."""
    server.on("POST", "/v1/x", reply({}))
    async with connected(server.url) as letta:
        await letta.client.ask("POST", "/v1/x", {"text": "Zo\u00eb \ud83d"})
    assert server.asked[0].body == {"text": "Zo\u00eb ?"}


async def test_a_packed_answer(server):
    """A proxy before Letta may pack what it answers, if that is asked for."""

    async def packed(request: web.Request) -> web.Response:
        answer = web.json_response({"id": "conv-1"})
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    server.on("POST", "/v1/x", packed)
    async with connected(server.url) as letta:
        assert await letta.client.ask("POST", "/v1/x") == b'{"id": "conv-1"}'


class TestFailures:
    @pytest.mark.parametrize(("status", "kind"), [(400, BadRequestError), (404, NotFoundError)])
    async def test_a_status(self, server, status, kind):
        """letta-client's own exception, with what the body says."""
        server.on("POST", "/v1/x", reply({"detail": "no"}, status))
        async with connected(server.url) as letta:
            with pytest.raises(kind) as caught:
                await letta.client.ask("POST", "/v1/x", {})
        assert caught.value.body == {"detail": "no"}
        assert len(server.asked) == 1

    @pytest.mark.parametrize("status", [301, 307])
    async def test_a_redirect(self, server, status):
        """What is sent goes to the address that was set, or nowhere."""
        server.on("POST", "/v1/x", reply({}, status))
        async with connected(server.url) as letta:
            with pytest.raises(Exception, match=str(status)):
                await letta.client.ask("POST", "/v1/x", {})
        assert len(server.asked) == 1

    async def test_no_connection(self):
        """The cause says why."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with connected(f"http://127.0.0.1:{closed.getsockname()[1]}") as letta:
                with pytest.raises(APIConnectionError):
                    await letta.client.ask("POST", "/v1/x", {})

    async def test_silence(self, server):
        """It is letta-client's exception for that."""
        server.on("POST", "/v1/x", play(asyncio.Event()))
        async with connected(server.url, read_seconds=SOON) as letta:
            with pytest.raises(APITimeoutError):
                await letta.client.ask("POST", "/v1/x", {})

    async def test_an_answer_that_breaks_off(self, server):
        """In its middle."""
        server.on("POST", "/v1/x", play(b"{", Drop()))
        async with connected(server.url) as letta:
            with pytest.raises(APIConnectionError):
                await letta.client.ask("POST", "/v1/x", {})
        assert len(server.asked) == 1

    async def test_an_error_that_cannot_be_read(self, server):
        """The next request has its connection."""

        async def odd(request: web.Request) -> web.Response:
            headers = {"Content-Encoding": "gzip"}
            return web.Response(status=502, body=b"not packed at all", headers=headers)

        server.on("POST", "/v1/odd", odd)
        server.on("POST", "/v1/x", reply({}))
        async with connected(server.url, max_connections=1) as letta, asyncio.timeout(20):
            with pytest.raises(APIConnectionError):
                await letta.client.ask("POST", "/v1/odd", {})
            assert await letta.client.ask("POST", "/v1/x", {}) == b"{}"

    async def test_left_while_an_error_is_read(self, server):
        """The next request has its connection, too."""
        begun = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(status=502)
            await response.prepare(request)
            await response.write(b"half")
            begun.set()
            await asyncio.Event().wait()
            return response

        server.on("POST", "/v1/slow", slow)
        server.on("POST", "/v1/x", reply({}))
        async with connected(server.url, max_connections=1) as letta, asyncio.timeout(20):
            asking = asyncio.create_task(letta.client.ask("POST", "/v1/slow", {}))
            await begun.wait()
            for _ in range(3):  # the head is read, the rest is waited for
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert await letta.client.ask("POST", "/v1/x", {}) == b"{}"
