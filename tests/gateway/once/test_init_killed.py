"""Once only, although the gateway is killed: a real process, started anew on its file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from gateway.testing.fakeletta import FakeLetta
from tests.gateway.command import kept


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
