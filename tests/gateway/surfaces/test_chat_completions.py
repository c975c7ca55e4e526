"""`POST /v1/chat/completions` over a real server, read by raw eyes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.played_letta import (
    DONE,
    RUN,
    echo,
    ping,
    said,
    stop,
    text,
)
from tests.gateway.serving import USER, Served, serving
from tests.gateway.surfaces.reading import chunks_of, said_in


HELLO = {"Milo": said("Hello ", "there", ".")}
STREAM = {"model": "Milo", "messages": USER, "stream": True}
WHOLE = {"model": "Milo", "messages": USER}


async def test_chat_chunks_go_out_in_one_write(tmp_path: Path) -> None:
    """Events that came together are sent together, `[DONE]` last."""
    script = [ping(), b"".join(frame(word) for word in "abcdef") + frame_of(stop()) + DONE]
    async with serving(tmp_path, {"Milo": script}) as served, served.post(STREAM) as answer:
        writes = [data async for data, end in answer.content.iter_chunks() if end]
    assert len([write for write in writes if write]) <= 2
    assert b"".join(writes).endswith(b"data: [DONE]\n\n")


def frame_of(step: Any) -> bytes:
    return b"data: " + json.dumps(step).encode() + b"\n\n"


def frame(word: str) -> bytes:
    return frame_of(text(word))


async def test_the_headers_of_a_stream(tmp_path: Path) -> None:
    """Proxies must not hold a stream back, nor keep it."""
    async with serving(tmp_path, HELLO) as served, served.post(STREAM) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["x-request-id"]


async def test_no_line_but_data_comments_and_blank_ones(tmp_path: Path) -> None:
    """No `id:`, no `event:`, and lines end in a newline alone."""
    async with serving(tmp_path, HELLO) as served, served.post(STREAM) as answer:
        body = await answer.read()
    assert b"\r" not in body
    assert {line.split(b":")[0] for line in body.split(b"\n")} == {b"data", b""}


async def test_comments_before_the_first_event(tmp_path: Path) -> None:
    """After some silence the headers go out, then comments, none of them followed by a blank."""
    go = asyncio.Event()
    script = [ping(), go, *said("late")]
    quick = {"keepalive_seconds": 0.05}
    async with (
        serving(tmp_path, {"Milo": script}, server=quick) as served,
        served.post(STREAM) as answer,
    ):
        assert answer.status == 200
        for _ in range(3):
            assert await answer.content.readline() == b": ping\n"
        go.set()
        rest = await answer.read()
    check_comments(rest)
    assert b'"content":"late"' in rest


async def test_comments_in_mid_stream(tmp_path: Path) -> None:
    """Silence after some text is filled in the same way."""
    go = asyncio.Event()
    script = [ping(), text("early"), go, text(" late"), stop()]
    quick = {"keepalive_seconds": 0.05}
    async with (
        serving(tmp_path, {"Milo": script}, server=quick) as served,
        served.post(STREAM) as answer,
    ):
        while (line := await answer.content.readline()) == b": ping\n":
            pass  # a busy machine may be slow with the first word, too
        assert line.startswith(b"data: ")
        assert await answer.content.readline() == b"\n"
        for _ in range(2):
            assert await answer.content.readline() == b": ping\n"
        go.set()
        rest = await answer.read()
    check_comments(rest)


def check_comments(body: bytes) -> None:
    assert b": ping\n\n" not in body
    assert b"id:" not in body.replace(b'"id":', b"")


async def test_the_sdk_reads_past_comments(tmp_path: Path) -> None:
    """Comments before and between chunks disturb no client."""
    async with (
        serving(tmp_path, {"Milo": slowly}, server={"keepalive_seconds": 0.01}) as served,
        served.openai() as client,
    ):
        stream = await client.chat.completions.create(model="Milo", messages=USER, stream=True)
        words = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(word or "" for word in words) == "one two"


def slowly(body: object) -> Any:
    pauses = [asyncio.Event() for _ in range(2)]
    for number, pause in enumerate(pauses, start=1):
        asyncio.get_running_loop().call_later(0.05 * number, pause.set)
    return [ping(), pauses[0], text("one "), pauses[1], text("two"), stop(), DONE]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_answer(tmp_path: Path, stream: bool) -> None:
    """The run is cancelled at Letta by its id, and the scratch conversation deleted."""
    script = [ping(), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        asking = asyncio.create_task(ask({**WHOLE, "stream": stream}, served))
        await soon(served.letta.busy)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await soon(served.letta.forgotten)
        assert served.letta.cancelled == [RUN]


async def ask(body: Any, served: Served) -> None:
    async with served.post(body) as answer:
        await answer.read()


async def test_a_client_that_leaves_in_mid_stream(tmp_path: Path) -> None:
    """The same after some text."""
    script = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with served.post(STREAM) as answer:
            assert b"one" in await answer.content.readline()
            answer.close()
        await soon(served.letta.forgotten)
        assert served.letta.cancelled == [RUN]


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


async def test_a_hundred_streams_do_not_mix(tmp_path: Path) -> None:
    """Each client gets what it asked for and nothing of the others."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        wanted = [f"{number} " * 20 for number in range(100)]
        got = await asyncio.gather(*(asked(served, words) for words in wanted))
    assert got == wanted


async def asked(served: Served, words: str) -> str:
    body = {**STREAM, "messages": [{"role": "user", "content": words}]}
    async with served.post(body) as answer:
        return said_in(await chunks_of(answer))


async def test_what_is_not_honoured_is_said(tmp_path: Path) -> None:
    """A header names the fields that nothing reads, streamed or not; nulls are not counted."""
    body = {**WHOLE, "temperature": 0.1, "top_p": 0.5, "seed": None}
    async with serving(tmp_path, HELLO) as served:
        for stream in (False, True):
            async with served.post({**body, "stream": stream}) as answer:
                assert answer.headers["x-letta-gateway-ignored"] == "temperature, top_p"
        async with served.post(WHOLE) as answer:
            assert "x-letta-gateway-ignored" not in answer.headers


@pytest.mark.parametrize("key", ["a\r\nX-Evil: 1", "a\0b", "é", "k" * 20_000, "", "a b"])
@pytest.mark.parametrize("stream", [False, True])
async def test_no_key_of_the_body_breaks_a_header(tmp_path: Path, key: str, stream: bool) -> None:
    """A key that cannot stand in a header is left out of it."""
    async with serving(tmp_path, HELLO) as served:
        body = {**WHOLE, key: 1, "user": "u", "stream": stream}
        async with served.post(body) as answer:
            assert answer.status == 200
            assert answer.headers["x-letta-gateway-ignored"] == "user"
            assert "X-Evil" not in answer.headers


async def test_the_header_stays_short(tmp_path: Path) -> None:
    """However many keys are sent, clients can read the header."""
    body = {**WHOLE, **{f"key_{number}": 1 for number in range(5000)}}
    async with serving(tmp_path, HELLO) as served, served.post(body) as answer:
        assert len(answer.headers["x-letta-gateway-ignored"].split(", ")) == 20


async def test_an_old_proxy_in_between(tmp_path: Path) -> None:
    """In HTTP/1.0 the end of the connection is the end of the stream."""
    body = json.dumps(STREAM).encode()
    head = "POST /v1/chat/completions HTTP/1.0\r\nConnection: keep-alive\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    async with serving(tmp_path, HELLO) as served:
        answer = await served.raw(head.encode() + body)
    assert answer.endswith(b"data: [DONE]\n\n")
    assert b"chunked" not in answer


@pytest.mark.parametrize("stream", [False, True])
async def test_text_of_every_script(tmp_path: Path, stream: bool) -> None:
    """Text goes to the agent and comes back as it is."""
    words = 'naïve 日本語 👩‍👩‍👧‍👦 مرحبا \u200b|\u2028|\u2029| \\n \t "quoted"'
    async with serving(tmp_path, {"Mílo 🤖": lambda body: said(content_of(body))}) as served:
        body = {"model": "Mílo 🤖", "messages": [{"role": "user", "content": words}]}
        async with served.post({**body, "stream": stream}) as answer:
            if stream:
                got = said_in(await chunks_of(answer))
            else:
                got = (await answer.json())["choices"][0]["message"]["content"]
    assert got == words


def content_of(body: Any) -> str:
    content: str = body["messages"][-1]["content"]
    return content
