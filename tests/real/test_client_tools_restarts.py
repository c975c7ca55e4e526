"""Calls of clients' tools that outlive the gateway that they were made through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.gateway.store.redis_server import RedisServer
from tests.gateway.tool_stories import Talker, calls, does
from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.behind import eventually
from tests.real.gateways import Command, command, write_config


SEVERAL = {"provider_type": "openai", "parallel_tool_calls": True}

keys = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])


@pytest.fixture(name="agent")
def _agent(make_agent: MakeAgent) -> str:
    return make_agent("Outlives", model_settings=SEVERAL).id


@pytest.fixture(name="start")
def _start(
    letta_server: LettaServer, tmp_path: Path
) -> Callable[[], AbstractContextManager[Command]]:
    """Starts a gateway on the same file as the one before."""
    file = write_config(tmp_path, letta_server.url)
    return lambda: command(file)


@asynccontextmanager
async def sdk_of(gateway: Command, **more: Any) -> AsyncIterator[Any]:
    """The official client."""
    url = f"{gateway.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-x", max_retries=0, **more) as sdk:
        yield sdk


def kill(gateway: Command) -> None:
    """As kill -9 does."""
    gateway.process.kill()
    gateway.process.wait()


async def test_killed_with_calls_pending(start: Any, agent: str) -> None:
    """Whoever waits with results is heard afterwards; who has moved on is, too."""
    talkers = [Talker(None, agent, key=key) for key in ("", "chat-1", "", "chat-2")]
    script = does(calls("get_weather", "get_time"), calls("get_time"), {"text": "It is warm."})
    with start() as gateway:
        async with sdk_of(gateway) as sdk:
            for talker in talkers:
                talker.sdk = sdk
                assert (await talker.say(script)).names == ["get_weather", "get_time"]
            kill(gateway)
    with start() as gateway:
        async with sdk_of(gateway) as sdk:
            for talker in talkers:
                talker.sdk = sdk
            for talker in talkers[:2]:
                assert (await talker.answer()).names == ["get_time"]
                assert (await talker.answer()).text == "It is warm."
            for talker in talkers[2:]:
                assert (await talker.say("Never mind.")).text == "You said: Never mind."


@keys
async def test_killed_with_results_on_their_way(
    start: Any, agent: str, letta_server: LettaServer, key: str
) -> None:
    """The client sends them again: the agent hears them once, and its answer is not lost."""
    gate = f"results-{agent}"
    script = does(calls("get_weather"), {"text": "It is warm.", "gate": gate})
    talker = Talker(None, agent, key=key)
    with start() as gateway:
        async with sdk_of(gateway) as sdk:
            talker.sdk = sdk
            await talker.say(script)
            answering = asyncio.create_task(talker.answer(lambda _: "21 degrees"))
            await eventually(lambda: len(asked(letta_server, agent)) == 2)
            kill(gateway)
            with pytest.raises(openai.APIError):
                await answering
    letta_server.model.open(gate)
    with start() as gateway:
        async with sdk_of(gateway) as sdk:
            talker.sdk = sdk
            said = await talker.send()
    assert said.text in {"It is warm.", "done"}
    context = asked(letta_server, agent)[-1]["messages"]
    assert str(context).count("21 degrees") == 1


def asked(server: LettaServer, agent: str) -> list[dict[str, Any]]:
    """What the model was asked for the agent's gate."""
    bodies = [request["body"] for request in server.model.requests()]
    return [body for body in bodies if f"results-{agent}" in str(body["messages"])]


@pytest.mark.needs_command("redis-server", package="redis-server")
async def test_two_gateways_on_one_redis(
    letta_server: LettaServer, agent: str, tmp_path: Path
) -> None:
    """The calls come through one of them, the results go through the other."""
    redis = RedisServer(tmp_path)
    redis.start()
    store = {"use": "redis", "url": redis.url}
    with ExitStack() as stack:
        stack.callback(redis.kill)
        urls = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            file = write_config(tmp_path / name, letta_server.url, store=store)
            urls.append(stack.enter_context(command(file)))
        async with sdk_of(urls[0]) as one, sdk_of(urls[1]) as other:
            await asyncio.gather(*(turns(agent, key, [one, other]) for key in ("", "chat-1")))


async def turns(agent: str, key: str, sdks: list[Any]) -> None:
    """By turns through each of them."""
    talker = Talker(sdks[0], agent, key=key)
    said = await talker.say(does(*[calls("get_weather", "get_time")] * 3, {"text": "Both."}))
    for number in range(3):
        assert said.names == ["get_weather", "get_time"]
        talker.sdk = sdks[(number + 1) % 2]
        said = await talker.answer()
    assert said.text == "Both."
