"""Kept streams, although the gateway is killed: a real process, started anew on its file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from gateway.testing.fakeletta import FakeLetta
from tests.gateway.command import Started, kept, serving
from tests.gateway.store.stores import needs_redis, redis_url


async def test_killed_in_mid_turn_and_after_it(tmp_path: Path) -> None:
    """
    A turn that was cut short is not run again: nobody knows whether Letta has kept it. One
    that had ended is replayed.
    """
    async with FakeLetta(pace=0.1) as letta, aiohttp.ClientSession() as session:
        letta.add_agent("Milo")

        async def ask(url: str, key: str, said: str) -> tuple[int, dict[str, object], str | None]:
            body = {"model": "Milo", "messages": [{"role": "user", "content": said}]}
            headers = {"Idempotency-Key": key}
            async with session.post(
                f"{url}/v1/chat/completions", json=body, headers=headers
            ) as got:
                return got.status, await got.json(), got.headers.get("x-should-retry")

        async with kept(letta.url, tmp_path) as gateway:
            status, whole, _ = await ask(gateway.url, "done", "Hello")
            assert status == 200
            asking = asyncio.create_task(ask(gateway.url, "cut", "@@slow:400@@"))
            await letta.run(2)
        await asyncio.wait([asking])
        assert asking.exception() is not None

        async with kept(letta.url, tmp_path) as gateway:
            assert await ask(gateway.url, "done", "Hello") == (200, whole, None)
            for _ in range(2):
                status, body, retry = await ask(gateway.url, "cut", "@@slow:400@@")
                assert (status, retry) == (409, "false")
                error = body["error"]
                assert isinstance(error, dict)
                assert error["code"] == "idempotency_unknown"
            status, _, _ = await ask(gateway.url, "new", "Hello")
            assert status == 200
        assert len(letta.runs) == 3


async def test_what_was_said_when_it_was_killed(tmp_path: Path) -> None:
    """It can be read, with its state; whoever takes the stream up is told that it is lost."""
    async with FakeLetta(pace=0.1) as letta, aiohttp.ClientSession() as session:
        letta.add_agent("Milo")
        body = {"model": "Milo", "input": "@@slow:400@@", "stream": True}
        frames = list[dict[str, Any]]()
        async with (
            kept(letta.url, tmp_path) as gateway,
            session.post(f"{gateway.url}/v1/responses", json=body) as got,
        ):
            while text_of(frames).count(" ") < 3:
                frames += read(await got.content.readline())
        path = f"/v1/responses/{frames[0]['response']['id']}"

        async with kept(letta.url, tmp_path) as gateway:
            async with session.get(f"{gateway.url}{path}") as got:
                stood = await got.json()
            assert (stood["status"], stood["error"]["code"]) == ("failed", "stream_lost")
            said = stood["output"][0]["content"][0]["text"]
            assert said
            assert "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11".startswith(said)
            for after in range(-1, len(frames)):
                rest = {"stream": "true", "starting_after": str(after)} if after >= 0 else {}
                async with session.get(
                    f"{gateway.url}{path}", params={"stream": "true"} | rest
                ) as got:
                    again = [frame async for line in got.content for frame in read(line)]
                assert again[-1]["type"] == "response.failed"
                assert text_of([*frames[: after + 1], *again]).startswith(text_of(frames)[:3])
        assert len(letta.runs) == 1


@needs_redis
async def test_two_processes_on_one_store(tmp_path: Path) -> None:
    """A stream of one is read and stopped by the other, and its end known if it is killed."""
    letta = FakeLetta(pace=0.1)
    letta.add_agent("Milo")
    async with (
        letta,
        redis_url(tmp_path) as redis,
        aiohttp.ClientSession() as session,
        shared(letta.url, redis, tmp_path / "a") as one,
        shared(letta.url, redis, tmp_path / "b") as two,
    ):
        body = {"model": "Milo", "input": "@@slow:400@@", "stream": True}

        async def begun(got: aiohttp.ClientResponse) -> str:
            """The path of a response that has said something."""
            assert got.status == 200, await got.text()
            frames = list[dict[str, Any]]()
            while text_of(frames).count(" ") < 2:
                line = await got.content.readline()
                assert line, frames
                frames += read(line)
            return f"/v1/responses/{frames[0]['response']['id']}"

        async with session.post(f"{one.url}/v1/responses", json=body) as got:
            path = await begun(got)
            async with session.post(f"{two.url}{path}/cancel") as stopped:
                stood = await stopped.json()
            assert stood["status"] == "cancelled"
            rest = [frame async for line in got.content for frame in read(line)]
            said = stood["output"][0]["content"][0]["text"]
            assert said.endswith(text_of(rest))

        async with session.post(f"{one.url}/v1/responses", json=body) as got:
            path = await begun(got)
            asking = {"stream": "true"}
            async with session.get(f"{two.url}{path}", params=asking) as following:
                theirs = read(await following.content.readline())
                one.process.kill()
                theirs += [frame async for line in following.content for frame in read(line)]
            assert theirs[-1]["type"] == "response.failed"
            assert text_of(theirs).startswith("w0 w1 ")
            async with session.get(f"{two.url}{path}") as look:
                stood = await look.json()
            assert stood["output"][0]["content"][0]["text"] == text_of(theirs)


@asynccontextmanager
async def shared(letta: str, redis: str, cwd: Path) -> AsyncIterator[Started]:
    """One of several processes on one Redis."""
    async with serving("--config", _config(letta, redis, cwd), cwd=cwd) as started:
        yield started


def _config(letta: str, redis: str, cwd: Path) -> Path:
    cwd.mkdir()
    file = cwd / "gateway.yaml"
    store = {"use": "redis", "url": redis}
    file.write_text(json.dumps({"letta": {"base_url": letta}, "store": store}))
    return file


def read(line: bytes) -> list[dict[str, Any]]:
    """The frame of a line, if it has one."""
    return [json.loads(line[6:])] if line.startswith(b"data: {") else []


def text_of(frames: Sequence[dict[str, Any]]) -> str:
    """What frames of the Responses API say."""
    return "".join(f["delta"] for f in frames if f["type"] == "response.output_text.delta")
