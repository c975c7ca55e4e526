"""Turns that run once only, over a real Letta: with a key, and for an SDK's own retries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import httpx
import openai
import pytest

from tests.gateway.store.redis_server import RedisServer
from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.behind import Behind, eventually
from tests.real.dropping import dropping
from tests.real.gateways import command, write_config
from tests.real.scripts import does


KEY = {"Idempotency-Key": "5d9a3f0e-once"}
CHAT = {"X-Letta-Chat-Key": "chat-1"}


@attrs.frozen
class Asker:
    """Asks one agent, and looks at what became of it."""

    letta: LettaServer
    behind: Behind
    agent: str

    @property
    def gate(self) -> str:
        return f"once-{self.agent}"

    @property
    def said(self) -> str:
        return does(text="At last.", gate=self.gate)

    def go(self) -> None:
        self.letta.model.open(self.gate)

    @property
    def asked(self) -> int:
        """How often the model was asked."""
        return sum(self.gate in str(request["body"]) for request in self.letta.model.requests())

    async def ask(self, url: str, headers: Mapping[str, str], *, stream: bool = False) -> str:
        """The answer, by the official SDK, which tries again by itself."""
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=2) as sdk:
            answer: Any = await sdk.chat.completions.create(
                model=self.agent,
                messages=[{"role": "user", "content": self.said}],
                stream=stream,
                extra_headers=headers,
            )
            if not stream:
                return str(answer.choices[0].message.content)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])


@pytest.fixture(name="asker")
def _asker(letta_server: LettaServer, behind: Behind, make_agent: MakeAgent) -> Asker:
    return Asker(letta_server, behind, make_agent("Once").id)


@pytest.fixture(name="url")
def _url(letta_server: LettaServer, tmp_path: Path) -> Iterator[str]:
    with command(write_config(tmp_path, letta_server.url)) as gateway:
        yield gateway.url


@pytest.fixture(name="urls")
def _urls(letta_server: LettaServer, tmp_path: Path) -> Iterator[list[str]]:
    """Two gateways, each a process of its own, on one Redis."""
    redis = RedisServer(tmp_path)
    redis.start()
    with ExitStack() as stack:
        stack.callback(redis.kill)
        urls = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            store = {"use": "redis", "url": redis.url}
            file = write_config(tmp_path / name, letta_server.url, store=store)
            urls.append(stack.enter_context(command(file)).url)
        yield urls


@pytest.mark.needs_command("redis-server", package="redis-server")
async def test_twins_in_two_processes(asker: Asker, urls: list[str]) -> None:
    """In flight they share the running answer; afterwards it is replayed, by either process."""
    twins = [
        asyncio.create_task(asker.ask(url, KEY, stream=stream))
        for url in urls
        for stream in (False, True)
    ]
    await eventually(lambda: asker.asked)
    asker.go()
    assert await asyncio.gather(*twins) == ["At last."] * 4
    for url in urls:
        async with httpx.AsyncClient(timeout=60) as http:
            body = {"model": asker.agent, "messages": [{"role": "user", "content": asker.said}]}
            headers = {**KEY, "Authorization": "Bearer sk-x"}
            again = await http.post(f"{url}/v1/chat/completions", json=body, headers=headers)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json()["choices"][0]["message"]["content"] == "At last."
    assert asker.asked == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("headers", "times"), [(CHAT, 1), (KEY, 1), ({}, 2)], ids=["chat", "key", "neither"]
)
async def test_a_connection_that_breaks(
    asker: Asker, url: str, headers: dict[str, str], times: int, stream: bool
) -> None:
    """The SDK's retry goes on with what it has begun; without chat and key it begins anew."""
    async with dropping(url) as wire:
        asking = asyncio.create_task(asker.ask(wire.url, headers, stream=stream))
        await eventually(lambda: asker.asked)
        wire.drop()
        await eventually(lambda: wire.connections > 1 and asker.asked == times)
        asker.go()
        assert await asking == "At last."
    assert asker.asked == times
    if headers is CHAT:
        (place,) = asker.behind.conversations(asker.agent)
        assert asker.behind.said(place) == [("user", asker.said), ("assistant", "At last.")]


async def test_two_people_say_the_same(asker: Asker, url: str) -> None:
    """In one chat, too: they are two, and while the first one listens nobody is joined to it."""
    asking = [asyncio.create_task(asker.ask(url, CHAT)) for _ in range(2)]
    retry = asyncio.create_task(asker.ask(url, {**CHAT, "x-stainless-retry-count": "1"}))
    await eventually(lambda: asker.asked)
    asker.go()
    assert await asyncio.gather(*asking, retry) == ["At last."] * 3
    assert asker.asked == 3


async def test_killed_in_mid_turn(asker: Asker, letta_server: LettaServer, tmp_path: Path) -> None:
    """A key whose turn was cut short is refused: the agent may have heard it."""
    file = write_config(tmp_path, letta_server.url)
    with command(file) as gateway:
        asking = asyncio.create_task(asker.ask(gateway.url, KEY))
        await eventually(lambda: asker.asked)
        gateway.process.kill()
        await asyncio.wait([asking])
        assert isinstance(asking.exception(), openai.APIConnectionError)
    asker.go()
    with command(file) as gateway, pytest.raises(openai.ConflictError) as refused:
        await asker.ask(gateway.url, KEY)
    assert refused.value.code == "idempotency_unknown"
    assert asker.asked == 1
