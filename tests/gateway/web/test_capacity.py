"""Room for requests: what becomes of those for which there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loguru
import pytest

from gateway.counted import Load
from gateway.web import capacity
from gateway.web.capacity import Capacity, Full
from tests.gateway.lane import logged
from tests.gateway.played_letta import DONE, Script, ping, said, stop, text
from tests.gateway.serving import USER, Served, serving
from tests.gateway.waiting import until_it_says


BODY = {"model": "Milo", "stream": True, "messages": USER}
ONE = {"max_requests": 1}

# More than letta-client's own limit of connections, which is 100.
MANY = 150


@pytest.fixture(name="log")
def _log() -> Iterator[list[str]]:
    with logged("INFO") as lines:
        yield lines


def waiting(gate: asyncio.Event) -> Script:
    """A word, and the rest when the gate opens."""
    return [ping(), text("one "), gate, text("two"), stop(), DONE]


async def numbers(served: Served) -> dict[str, float]:
    """What the page of metrics says of requests."""
    async with served.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    found = (line.removeprefix("letta_gateway_requests_").split("{worker=") for line in lines)
    return {each[0]: float(each[1].split()[1]) for each in found if len(each) == 2}


async def all_put_away(served: Served) -> None:
    async def idle() -> bool:
        return not (await numbers(served))["in_hand"]

    await until_it_says(idle)


async def refused(served: Served) -> Any:
    """What a client is told for whom there is no room."""
    async with served.post(BODY) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == capacity.RETRY_AFTER
        assert answer.headers["x-should-retry"] == "true"
        assert answer.headers["x-request-id"]
        assert answer.headers["Connection"] == "close"
        return (await answer.json())["error"]


async def test_no_room(tmp_path: Path, log: list[str]) -> None:
    """It may come again: nothing has reached Letta. What is running is not disturbed."""
    gate = asyncio.Event()
    async with serving(tmp_path, {"Milo": waiting(gate)}, server=ONE) as served:
        async with served.post(BODY) as running:
            heard = await running.content.readuntil(b"one ")
            errors = [await refused(served) for _ in range(3)]
            asked = len(served.letta.asked)
            gate.set()
            heard += await running.content.read()
        await all_put_away(served)
        counted = await numbers(served)
        async with served.post(BODY) as again:
            status = again.status

    assert heard.endswith(DONE)
    assert {(error["type"], error["code"]) for error in errors} == {("server_error", "overloaded")}
    assert asked == 1
    assert counted == {"turned_away_total": 3, "in_hand": 0}
    assert status == 200
    (told,) = (line for line in log if "turned away" in line)
    assert "server.max_requests" in told
    assert sum("POST /v1/chat/completions" in line for line in log) == 2


async def test_who_watches_is_answered(tmp_path: Path) -> None:
    """The pages for operators and supervisors need no room."""
    gate = asyncio.Event()
    async with (
        serving(tmp_path, {"Milo": waiting(gate)}, server=ONE) as served,
        served.post(BODY) as running,
    ):
        await running.content.readuntil(b"one ")
        for path, status in [("/health", 200), ("/ready", 200), ("/metrics", 200)]:
            async with served.get(path) as answer:
                assert answer.status == status
        async with served.get("/v1/models") as answer:
            assert answer.status == 503
        assert (await numbers(served))["in_hand"] == 1
        gate.set()


async def test_clients_that_leave(tmp_path: Path) -> None:
    """Their places are free when their runs have ended, and not before: Letta is at work."""
    ended = asyncio.Event()
    settings = {"cancel_on_disconnect": False}
    script = {"Milo": waiting(ended)}
    async with serving(tmp_path, script, server=ONE, letta=settings) as served:
        async with served.post(BODY) as leaving:
            await leaving.content.readuntil(b"one ")
        assert (await refused(served))["code"] == "overloaded"
        ended.set()
        await all_put_away(served)
        async with served.post(BODY) as answer:
            assert answer.status == 200


async def test_who_may_not_ask_is_told_so(tmp_path: Path) -> None:
    """A wrong key is a wrong key, however busy the gateway is."""
    gate = asyncio.Event()
    keys = [{"name": "ann", "key": "sk-ann"}]
    ann = {"Authorization": "Bearer sk-ann"}
    async with (
        serving(tmp_path, {"Milo": waiting(gate)}, server=ONE, keys=keys) as served,
        served.post(BODY, headers=ann) as running,
    ):
        await running.content.readuntil(b"one ")
        async with served.post(BODY) as answer:
            assert answer.status == 401
        async with served.post(BODY, headers=ann) as answer:
            assert answer.status == 503
        gate.set()


async def test_the_sdk_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's client sends its request once more after a while, and is answered."""
    monkeypatch.setattr(capacity, "RETRY_AFTER", "0.1")
    gate = asyncio.Event()

    async with (
        serving(tmp_path, {"Milo": waiting(gate)}, server=ONE) as served,
        served.openai(max_retries=10) as sdk,
    ):

        async def turned_away() -> float:
            return (await numbers(served))["turned_away_total"]

        async with served.post(BODY) as running:
            await running.content.readuntil(b"one ")
            asking = asyncio.create_task(sdk.chat.completions.create(model="Milo", messages=USER))
            await until_it_says(turned_away)
            served.letta.scripts["Milo"] = said("Hello")
            gate.set()
            answer = await asking
    assert answer.choices[0].message.content == "Hello"


def test_the_log_is_told_now_and_then(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are turned away, there is a line every ten seconds at most."""
    clock = [100.0]
    monkeypatch.setattr(capacity.time, "monotonic", lambda: clock[0])
    room = Capacity(1, Load(requests=1), loguru.logger)
    for seconds in (0, 1, 2, 15):
        clock[0] = 100.0 + seconds
        with pytest.raises(Full), room.room("/v1/models"):
            pytest.fail("it was let in")
    assert len(log) == 2
    assert all("turned away: 1 are at work" in line for line in log)


async def test_many_streams(tmp_path: Path) -> None:
    """However many have begun, the next one hears its first word before any of them ends."""
    gate = asyncio.Event()

    async def heard(served: Served) -> bytes:
        async with served.post(BODY) as answer:
            first: bytes = await answer.content.readuntil(b"one ")
            begun.append(answer)
            if len(begun) == MANY:
                gate.set()
            return first + await answer.content.read()

    begun: list[object] = []
    async with serving(tmp_path, {"Milo": waiting(gate)}) as served:
        answers = await asyncio.gather(*(heard(served) for _ in range(MANY)))
    assert [answer.endswith(DONE) for answer in answers] == [True] * MANY
