"""Calls that wait while gateways are killed, and while others take over: real processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from openai import AsyncOpenAI

from gateway.errors import Reject
from gateway.store import open_store
from gateway.testing.fakeletta import FakeLetta
from tests.gateway.tool_stories import Talker, calls, does
from tests.letta_server.process import free_ports
from tests.letta_server.redis import redis
from tests.plugins.client import refusal, said
from tests.plugins.tool_client import ToolClient, bridged
from tests.plugins.watched import Watched


COMMAND = Path(sys.executable).with_name("letta-gateway")
ONE = does(calls("get_weather"), {"text": "It is warm."})

keys = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])


@attrs.frozen
class Process:
    """A running `letta-gateway serve`."""

    process: asyncio.subprocess.Process
    url: str

    def talker(self, sdk: Any, key: str) -> Talker:
        return Talker(sdk, "Milo", key=key)

    async def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def serving(directory: Path, letta: FakeLetta, store: Any) -> AsyncIterator[Process]:
    """A gateway with the built-in pipeline."""
    file = directory / "gateway.yaml"
    letta_at = {"base_url": letta.url}
    file.write_text(json.dumps({"letta": letta_at, "store": store, "server": {"port": 0}}))
    with (directory / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(COMMAND, "serve", "--config", file),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONUNBUFFERED": "1"},
        )
        try:
            yield Process(process, await _announced(process, directory / "log"))
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


async def _announced(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        async for line in process.stdout:
            _, found, rest = line.decode().partition("OpenAI base URL ")
            if found:
                return rest.partition("/v1")[0] + "/v1"
    raise AssertionError(await asyncio.to_thread(log.read_text))


@asynccontextmanager
async def asking(gateway: Process) -> AsyncIterator[Any]:
    """The official client."""
    async with AsyncOpenAI(base_url=gateway.url, api_key="any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(name="letta")
async def _letta() -> AsyncIterator[FakeLetta]:
    async with FakeLetta(pace=0.01) as letta:
        letta.add_agent("Milo", parallel_tool_calls=True)
        yield letta


@keys
async def test_killed_with_calls_pending(tmp_path: Path, letta: FakeLetta, key: str) -> None:
    """The next gateway on the same file takes the results."""
    store = {"use": "sqlite", "path": str(tmp_path / "gateway.db")}
    async with serving(tmp_path, letta, store) as gateway, asking(gateway) as sdk:
        talker = gateway.talker(sdk, key)
        assert (await talker.say(ONE)).names == ["get_weather"]
        await gateway.kill()
    async with serving(tmp_path, letta, store) as gateway, asking(gateway) as sdk:
        talker.sdk = sdk
        assert (await talker.answer()).text == "It is warm."
        assert (await talker.say("And now?")).text == "You said: And now?"


@keys
async def test_killed_in_the_middle_of_a_call(tmp_path: Path, letta: FakeLetta, key: str) -> None:
    """Nobody waits for the call that the client did not hear to its end."""
    store = {"use": "sqlite", "path": str(tmp_path / "gateway.db")}
    step = calls("get_weather")
    step["tools"][0]["args"] = {"city": "x" * 500}
    async with serving(tmp_path, letta, store) as gateway, asking(gateway) as sdk:
        talker = gateway.talker(sdk, key)
        talker.messages.append({"role": "user", "content": does({**step, "delay": 1})})
        async for chunk in await sdk.chat.completions.create(**talker.body(), stream=True):
            if chunk.choices[0].delta.tool_calls:
                break
        await gateway.kill()
    run = await letta.run()
    async with asyncio.timeout(20):
        while not run.over:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    async with serving(tmp_path, letta, store) as gateway, asking(gateway) as sdk:
        talker.sdk = sdk
        assert (await talker.say("And now?")).text == "You said: And now?"


@keys
@pytest.mark.needs_command("redis-server", package="redis-server")
async def test_two_gateways_on_one_redis(tmp_path: Path, letta: FakeLetta, key: str) -> None:
    """The call goes out through one, and the result comes in through the other."""
    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    async with (
        redis("redis-server", tmp_path, port),
        open_store("redis", url=url) as one,
        open_store("redis", url=url) as two,
        bridged(letta, store=Watched(one, one)) as first,
        bridged(letta, store=Watched(two, two)) as second,
    ):
        client = ToolClient(first, "Milo", key)
        for _ in range(3):
            await client.at(first).say(ONE)
            stranger = ToolClient(second, "Milo", key, "eve", [*client.messages])
            assert (await refusal(stranger.answer())).code == "tool_call_not_pending"
            client.house = second
            assert said(await client.answer()) == "It is warm."
            client.house = first


@pytest.mark.needs_command("redis-server", package="redis-server")
async def test_the_same_results_through_two_gateways(tmp_path: Path, letta: FakeLetta) -> None:
    """One takes them; the other waits for it, and says that they were taken."""
    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    async with (
        redis("redis-server", tmp_path, port),
        open_store("redis", url=url) as one,
        open_store("redis", url=url) as two,
        bridged(letta, store=Watched(one, one)) as first,
        bridged(letta, store=Watched(two, two)) as second,
    ):
        for key in ("", "chat-1"):
            client = ToolClient(first, "Milo", key)
            await client.say(ONE)
            client.messages += [client.run(made) for made in client.asked]
            both = [house.ask(client.call()) for house in (first, second)]
            results = await asyncio.gather(*both, return_exceptions=True)
            (refused,) = [each for each in results if isinstance(each, Reject)]
            assert refused.code == "tool_call_not_pending"
            (taken,) = [each for each in results if isinstance(each, list)]
            assert said(taken) == "It is warm."
