"""Paths, methods, and what is no HTTP, over a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.gateway.played_letta import said
from tests.gateway.serving import USER, Served, serving


MILO = {"Milo": said("Hello")}
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/models/",
        "/v1/embeddings",
        "/v1/completions",
        "/v1/chat",
        "/nope/%00",
        "/%FF",
    ],
)
async def test_an_unknown_path(tmp_path: Path, path: str) -> None:
    """It is 404 in OpenAI's shape, with GET and POST."""
    async with serving(tmp_path, MILO) as served:
        for method in ("GET", "POST"):
            async with served.session.request(method, served.url + path) as answer:
                assert answer.status == 404
                assert answer.headers["x-request-id"]
                error = (await answer.json())["error"]
                assert set(error) == {"message", "type", "param", "code"}
                assert error["code"] == "not_found"
                near = "chat/completions, responses" if "/v1" in path else "/console/chat.html"
                assert near in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET,HEAD"),
        ("POST", "/v1/models/Milo", "GET,HEAD"),
        ("POST", "/health", "GET,HEAD"),
    ],
)
async def test_a_wrong_method(tmp_path: Path, method: str, path: str, allowed: str) -> None:
    """It is 405 in OpenAI's shape, and says what is allowed."""
    async with (
        serving(tmp_path, MILO) as served,
        served.session.request(method, served.url + path) as answer,
    ):
        assert answer.status == 405
        assert answer.headers["Allow"] == allowed
        error = (await answer.json())["error"]
    assert error["code"] == "method_not_allowed"
    assert error["message"].endswith(f" It takes {allowed.replace(',', ', ')}.")


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: [::1]\r\nX-Huge: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: [::1]\r\nA: b\x01c\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"BREW /v1/models HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        b"hello\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http(tmp_path: Path, request_text: bytes) -> None:
    """It is 400, the connection is closed, and the server goes on."""
    async with serving(tmp_path, MILO) as served:
        answer = await served.raw(request_text)
        assert answer.split(b" ", 2)[1] == b"400"
        assert await answers(served)


async def test_a_client_that_stops_in_its_headers(tmp_path: Path) -> None:
    """Whoever leaves before the end of the request leaves nothing behind."""
    async with serving(tmp_path, MILO) as served:
        await leave(served, b"POST /v1/chat/completions HTTP/1.1\r\nHost:")
        await leave(
            served,
            POST + b'Content-Length: 1000\r\n\r\n{"model":',
        )
        assert await answers(served)
    assert len(served.letta.asked) == 1


async def leave(served: Served, sent: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(sent)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def answers(served: Served) -> bool:
    async with served.post({"model": "Milo", "messages": USER}) as answer:
        status: int = answer.status
        return status == 200
