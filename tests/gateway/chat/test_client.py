from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.chat.client import Client, Piece, Unanswered, connected


ASKED = [{"role": "user", "content": "Hi"}]


@asynccontextmanager
async def saying(body: bytes, status: int = 200) -> AsyncIterator[Client]:
    """Something that answers everything so."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    async with listening(answer) as client:
        yield client


@asynccontextmanager
async def listening(answer: Callable[[web.Request], Any]) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        async with connected(f"http://127.0.0.1:{port}/v1/", "sk-x") as client:
            yield client
    finally:
        await runner.cleanup()


async def ask(client: Client, chat_key: str = "chat-1") -> list[Piece]:
    return [piece async for piece in client.ask("Milo", ASKED, chat_key)]


async def why(body: bytes, status: int = 200) -> str:
    async with saying(body, status) as client:
        with pytest.raises(Unanswered) as caught:
            await ask(client)
    return str(caught.value)


def chunk(**delta: Any) -> bytes:
    return web.json_response({"choices": [{"delta": delta}]}).body


async def test_pieces():
    """Text and reasoning as they come; comments and what else there is are passed over."""
    body = (
        b": ping\n"
        b'data: {"choices":[{"delta":{"reasoning":"So","reasoning_content":"So"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"H"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"i"}},{"delta":{}}]}\n\n'
        b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n'
        b'data: {"choices":[],"usage":{}}\n\ndata: {"event":{}}\n\ndata: [DONE]\n\n'
    )
    async with saying(body) as client:
        assert await ask(client) == [
            Piece("reasoning", "So"),
            Piece("text", "H"),
            Piece("text", "i"),
            Piece("note", "(it ends here: length)"),
        ]


async def test_what_is_asked():
    """The chat has its key, the caller hers, and the history goes along."""
    seen: list[tuple[Any, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers, await request.json()))
        return web.Response(body=b"data: [DONE]\n\n")

    async with listening(answer) as client:
        await ask(client)
        await ask(client, chat_key="")

    (headers, body), (without, _) = seen
    assert body == {"model": "Milo", "messages": ASKED, "stream": True}
    assert headers["X-Letta-Chat-Key"] == "chat-1"
    assert headers["Authorization"] == "Bearer sk-x"
    assert "X-Letta-Chat-Key" not in without


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b'{"error":{"message":"Too\\nmany"}}', 429, "Too many"),
        (b'{"error":"Bad"}', 400, "Bad"),
        (
            b'{"error":{"message":"An API key is missing."}}',
            401,
            "An API key is missing. This command takes one as --key or LETTA_GATEWAY_KEY.",
        ),
        (b"<html>", 502, "The answer is HTTP 502, and not as a gateway says it."),
        (b'data: {"error":{"message":"Broken"}}\n\ndata: [DONE]\n\n', 200, "Broken"),
        (b'{"error":{"message":"a\\u001b]0;t\\u0007\\nb\\ud800"}}', 400, "a]0;t b"),
        (b'data: {"error":{"message":"a\\u001b[2J"}}\n\n', 200, "a[2J"),
        (
            b'{"error":{"message":{"a":1}}}',
            400,
            "The answer is HTTP 400, and not as a gateway says it.",
        ),
        (b"[" * 100_000, 400, "The answer is HTTP 400, and not as a gateway says it."),
        (b"x" * 8_000_001, 500, "The answer is HTTP 500, and too long to read."),
        (b'data: {"choices":[]}\n\n', 200, "The answer broke off."),
    ],
)
async def test_errors(body, status, expected):
    """Whatever is wrong is one line."""
    assert await why(body, status) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense",
        b"5",
        b"1" * 5000,
        b"[1,2]",
        b"[" * 100_000,
        b'{"error":{"message":5}}',
        b'{"choices":5}',
        b'{"choices":["x"]}',
        b'{"choices":[{"delta":"x"}]}',
        b'{"choices":[{"delta":{"content":["x"]}}]}',
        b'{"choices":[{"delta":{"reasoning":5}}]}',
        b'{"choices":[{"finish_reason":{"a":1}}]}',
    ],
    ids=lambda data: data[:40].decode(),
)
async def test_no_gateway(data):
    """Something else answers there, in a way that no gateway does."""
    assert "is no gateway." in await why(b"data: " + data + b"\n\n")


async def test_a_line_without_an_end():
    """It is read no further than a line may be long."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a" * 250_000)

    async with listening(answer) as client:
        with pytest.raises(Unanswered, match="8 MB is the most"):
            await ask(client)


async def test_a_long_line():
    """It comes in many pieces, and is one."""
    text = "a" * 1_000_000
    body = b"data: " + chunk(content=text) + b"\n\ndata: [DONE]\n\n"
    async with saying(body) as client:
        assert await ask(client) == [Piece("text", text)]


@pytest.mark.parametrize("body", [b"[1]", b"5", b'{"data":5}', b"[" * 200_000, b"<html>"])
async def test_no_models(body):
    """What is no list of models is told as such."""
    async with saying(body) as client:
        with pytest.raises(Unanswered, match="is no gateway"):
            await client.models()


async def test_a_connection_that_breaks_off():
    """It is told as such."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"delta":{"content":"H"}}]}\n\n')
        assert request.transport is not None
        request.transport.close()
        return response

    async with listening(answer) as client:
        with pytest.raises(Unanswered, match="broke off"):
            await ask(client)


async def test_models():
    """What there is, and one of it, whatever characters its name has."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response({"data": [{"id": "Milo"}, "?", {"id": {}}]})

    async with listening(answer) as client:
        assert await client.models() == [{"id": "Milo"}]
        await client.model("a/b c?")

    assert asked == ["/v1/models", "/v1/models/a%2Fb%20c%3F"]
