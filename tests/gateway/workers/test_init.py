"""Two workers on one port and one Redis: to clients they are one gateway."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from prometheus_client.parser import text_string_to_metric_families

from gateway.testing.fakeletta import FakeLetta
from tests.gateway.command import ran
from tests.gateway.store.redis_server import RedisServer
from tests.gateway.tool_stories import Talker, calls, does
from tests.gateway.workers.several import Several, needs_redis, serving


pytestmark = needs_redis

ONE = does(calls("get_weather"), {"text": "It is warm."})


@pytest.fixture(name="letta")
async def _letta() -> AsyncIterator[FakeLetta]:
    async with FakeLetta(pace=0.01) as letta:
        letta.add_agent("Milo", parallel_tool_calls=True)
        yield letta


@asynccontextmanager
async def through(gateway: Several, worker: int) -> AsyncIterator[Any]:
    """The official client, over connections that this worker has taken."""
    with gateway.only(worker):
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as sdk:
            yield sdk


@pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])
async def test_a_chat_goes_on_through_another_worker(
    tmp_path: Path, letta: FakeLetta, redis: RedisServer, key: str
) -> None:
    """A call goes out through one, its result comes in through the other, and so on."""
    async with serving(tmp_path, letta.url, redis) as gateway:
        async with through(gateway, 1) as sdk:
            talker = Talker(sdk, "Milo", key=key)
            assert (await talker.say(ONE)).names == ["get_weather"]
        async with through(gateway, 2) as talker.sdk:
            assert (await talker.answer()).text == "It is warm."
        async with through(gateway, 1) as talker.sdk:
            assert (await talker.say("And now?")).text == "You said: And now?"
        gateway.signal(signal.SIGTERM)
        ended = await gateway.ended()

    asked = [line for line in ended.lines if "/v1/chat/completions" in line]
    # A worker that is stopped right after its answer writes its line later.
    assert sorted("1" if '"worker":1' in line else "2" for line in asked) == ["1", "1", "2"]
    if key:
        assert len({request.path for request in letta.requests if _speaks(request)}) == 1


def _speaks(request: Any) -> bool:
    return request.method == "POST" and request.path.endswith("/messages")


async def test_one_turn_for_both(tmp_path: Path, letta: FakeLetta, redis: RedisServer) -> None:
    """A request with an Idempotency-Key that one worker has answered is replayed by the other."""
    header = {"Idempotency-Key": str(tmp_path)}
    answers = []
    async with serving(tmp_path, letta.url, redis) as gateway:
        for worker in (1, 2):
            async with through(gateway, worker) as sdk:
                said: Any = [{"role": "user", "content": "Hi"}]
                ask = sdk.chat.completions.with_raw_response.create
                answers.append(await ask(model="Milo", messages=said, extra_headers=header))

    first, second = answers
    assert first.parse() == second.parse()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"


async def test_it_introduces_itself_once(
    tmp_path: Path, letta: FakeLetta, redis: RedisServer
) -> None:
    """When all listen, and not once for each; Letta is asked once whether it is there."""
    async with serving(tmp_path, letta.url, redis) as gateway:
        asked = [request for request in letta.requests if request.query.get("limit") == "1"]
        gateway.signal(signal.SIGINT)
        ended = await gateway.ended()

    assert "with 2 workers" in gateway.parent.said[0]
    assert (ended.status, ended.out) == (0, "")
    assert len(asked) == 1


async def test_each_is_healthy(tmp_path: Path, letta: FakeLetta, redis: RedisServer) -> None:
    """Each answers for itself whether it lives, and whether Letta and the store do."""
    async with serving(tmp_path, letta.url, redis) as gateway:
        for worker in (1, 2):
            with gateway.only(worker):
                for path in ("/health", "/ready"):
                    async with aiohttp.request("GET", gateway.url + path) as response:
                        assert response.status == 200


async def test_a_port_is_taken_once(tmp_path: Path, letta: FakeLetta, redis: RedisServer) -> None:
    """A second gateway does not get in beside the workers of the first."""
    async with serving(tmp_path, letta.url, redis) as gateway:
        port = gateway.url.rpartition(":")[2]
        second = ("serve", "--config", tmp_path / "gateway.yaml", "--port", port)
        ended = await ran(*second, cwd=tmp_path)

    assert ended.status == 1
    assert f"port {port}" in ended.err


async def test_one_page_of_metrics(tmp_path: Path, letta: FakeLetta, redis: RedisServer) -> None:
    """Whoever is asked tells what all have counted, and nothing is lost when one is killed."""
    async with serving(tmp_path, letta.url, redis) as gateway:
        for worker in (1, 2, 2):
            async with through(gateway, worker) as sdk:
                await Talker(sdk, "Milo").say("Hi")
        pages = [await counted(gateway) for _ in range(4)]
        os.kill(gateway.pids[2], signal.SIGKILL)
        assert await gateway.has_a_worker() == 2
        pages.append(await counted(gateway))
        async with through(gateway, 2) as sdk:
            await Talker(sdk, "Milo").say("Hi")
        last = await counted(gateway)

    one = pages[0][1]
    assert one > 0
    assert pages == [{1: one, 2: 2 * one}] * 5
    assert last == {1: one, 2: 3 * one}


async def counted(gateway: Several) -> dict[int, float]:
    """What a page says of each worker: the events that its `reasoning_mapper` was given."""
    async with aiohttp.request("GET", f"{gateway.url}/metrics") as response:
        page = await response.text()
    (family,) = (
        each
        for each in text_string_to_metric_families(page)
        if each.name == "letta_gateway_plugin_events_in"
    )
    return {
        int(sample.labels["worker"]): sample.value
        for sample in family.samples
        if sample.labels["plugin"] == "reasoning_mapper"
    }
