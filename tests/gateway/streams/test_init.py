"""Kept streams over FakeLetta: whoever asks, whenever, and whoever leaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import loguru
import pytest

from gateway.background import Background
from gateway.call import Call, Message, Text
from gateway.errors import Reject
from gateway.events import Event, Finish
from gateway.services import Caller, Context
from gateway.store import OpenStore
from gateway.streams import Stream, Streams
from gateway.testing.fakeletta import FakeLetta
from tests.gateway.lane import ScriptedRun, noted, text, texts
from tests.gateway.store.stores import WITH_REDIS, open_redis, opened, redis_url
from tests.gateway.streams.twins import twins
from tests.plugins.house import House, built
from tests.plugins.watched import Watched


LONG = "@@slow:40@@"


@attrs.frozen
class Process:
    """A gateway."""

    house: House
    streams: Streams

    async def ask(self, call: Call, batches: int | None) -> tuple[str, list[Event]]:
        """The id and the events of an answer, or as many batches of it before the client goes."""
        context = Context(f"r{id(object())}", self.house.clock, Caller("ada", "ada"))
        got: list[Event] = []
        async with await self.streams.begin(self.house.pipeline, call, context) as answer:
            assert isinstance(answer, Stream)
            async for batch in answer:
                got += batch
                batches = None if batches is None else batches - 1
                if batches == 0:
                    break
            return answer.head.request_id, got


@asynccontextmanager
async def process(letta: FakeLetta, store: OpenStore) -> AsyncIterator[Process]:
    logger = loguru.logger
    async with (
        built(letta, store=Watched(store, store)) as house,
        Background(logger) as background,
        Streams(
            store, background.spawn, logger, ttl=600, key_ttl=600, grace=30, size=4_000_000
        ) as streams,
    ):
        yield Process(house, streams)


@asynccontextmanager
async def processes(use: str, tmp_path: Path) -> AsyncIterator[tuple[FakeLetta, list[Process]]]:
    """One gateway, or two on one Redis, over a Letta with one agent."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        letta = await enter(FakeLetta(pace=0.02))
        letta.add_agent("Milo")
        if use == "redis":
            url = await enter(redis_url(tmp_path))
            stores = [await enter(open_redis(url)), await enter(open_redis(url))]
        else:
            stores = [await enter(opened(use, tmp_path))]
        yield letta, [await enter(process(letta, store)) for store in stores]


def call(said: str, *, key: str = "k", chat: str = "", stream: bool = True) -> Call:
    headers = {"idempotency-key": key} | ({"x-letta-chat-key": chat} if chat else {})
    body: dict[str, Any] = {"model": "Milo", "messages": [said], "stream": stream}
    return Call("Milo", (Message("user", (Text(said),)),), headers, body, stream)


def posts(letta: FakeLetta) -> int:
    """How many times a message was sent to Letta."""
    return sum(
        1 for each in letta.requests if each.method == "POST" and each.path.endswith("/messages")
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("use", WITH_REDIS)
async def test_twins_at_any_time(use: str, tmp_path: Path, seed: int) -> None:
    """
    However many ask with one key, whenever they come and go, in whichever process: Letta is
    sent the message once, and all who stay get the same answer.
    """
    chance = random.Random(seed)
    chat = chance.choice(["", "chat"])
    async with processes(use, tmp_path) as (letta, all_processes):

        async def twin() -> tuple[str, list[Event]] | None:
            leaves = chance.choice([None, None, 0, 1, 2, 5])
            await asyncio.sleep(chance.random() * 0.6)
            asking = asyncio.create_task(
                chance.choice(all_processes).ask(
                    call(LONG, chat=chat, stream=chance.random() < 0.5), leaves or None
                )
            )
            if leaves == 0:
                await asyncio.sleep(chance.random() * 0.2)
                asking.cancel()
                await asyncio.wait([asking])
                return None
            return await asking if leaves is None else (await asking) and None

        got = [each for each in await asyncio.gather(*(twin() for _ in range(25))) if each]
        got += [await each.ask(call(LONG, chat=chat), None) for each in all_processes]
        assert posts(letta) == 1
        answers = {texts(events) for _, events in got}
        assert answers == {" ".join(f"w{n}" for n in range(40))}
        assert len({answer_id for answer_id, _ in got}) == 1
        assert all(isinstance(events[-1], Finish) for _, events in got)


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_many_keys_at_once(use: str, tmp_path: Path) -> None:
    """Each key has its own turn, and nobody gets another's answer."""
    async with processes(use, tmp_path) as (letta, all_processes):
        asked = [
            each.ask(call(f"word {key}", key=str(key)), None)
            for key in range(30)
            for each in (*all_processes, *all_processes)
        ]
        got = await asyncio.gather(*asked)
        assert posts(letta) == 30
        assert sorted(texts(events) for _, events in got) == sorted(
            f"You said: word {key}" for key in range(30) for _ in range(2 * len(all_processes))
        )


async def test_without_a_key_nothing_is_stored() -> None:
    """A plain request only looks, in a chat, for streams elsewhere that are to make way."""
    store = Watched()
    answer = [[text("a")], [Finish()]]
    runs = [ScriptedRun(answer), ScriptedRun(answer), ScriptedRun(answer)]
    async with twins(says=runs, store=store) as both:
        await both.hears()
        store.done.clear()
        for plain in (both.call(""), both.call("", chat="c"), both.call("", chat="c", attempt=1)):
            assert await both.events(plain) == [text("a"), Finish()]
    assert store.done == ["read_from"] * 2


async def test_with_a_key() -> None:
    """Few operations: the claim, the head, what is said; then reading."""
    store = Watched()
    async with twins(says=[[text("a")], [Finish()]], store=store) as both:
        await both.hears()
        store.done.clear()
        await both.events()
        count = {name: store.done.count(name) for name in set(store.done)}
        assert count.pop("append") <= 3
        assert count == {"read": 1, "lease": 1, "put_if_absent": 1, "put": 2}
        await both.ended()
        store.done.clear()
        await both.events()
        assert store.done == ["read", "read", "read_from"]


@pytest.mark.parametrize("operation", ["read", "lease", "put", "put_if_absent"])
async def test_a_store_that_does_not_answer(operation: str) -> None:
    """The request is refused before Letta is asked, or goes on: it may always be sent again."""
    store = Watched()
    log: list[str] = []
    async with twins(noted(log), says=[[text("a")], [Finish()]], store=store) as both:
        store.broken = {operation}
        with pytest.raises(Reject) as caught:
            await both.begin()
        assert (caught.value.status, caught.value.code) == (503, "store_unavailable")
        assert caught.value.retry
        store.broken = set()
        assert await both.events() == [text("a"), Finish()]
    assert both.asked == 1
