"""The parent: it starts its workers, starts them again when they die, and ends with them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from gateway.testing.fakeletta import FakeLetta
from tests.gateway.played_letta import (
    DONE,
    PlayedLetta,
    Refusal,
    Script,
    ping,
    played,
    reasoning,
    said,
    stop,
    text,
)
from tests.gateway.store.redis_server import RedisServer, free_port
from tests.gateway.surfaces.reading import chunks_of, said_in
from tests.gateway.tool_stories import does
from tests.gateway.workers.several import Several, config_of, needs_redis, refused, serving


pytestmark = needs_redis

STEPS = [{"use": "agent_resolver"}, {"use": "conversation_resolver"}]

# The second of those that are forked cannot start, and says why; or it is killed.
SECOND = """\
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.plugin import Plugin

class Second(Plugin):
    @asynccontextmanager
    async def lifespan(self, services):
        try:
            Path("first").touch(exist_ok=False)
        except FileExistsError:
            self.fail()
        yield

class Failing(Second):
    def fail(self):
        raise RuntimeError("no luck")

class Killed(Second):
    def fail(self):
        os.kill(os.getpid(), signal.SIGKILL)
"""

# It takes for ever to start, and somebody has enough of that.
SLOW = """\
import asyncio
import os
import signal
from contextlib import asynccontextmanager

from gateway.plugin import Plugin

class Terminated(Plugin):
    number = signal.SIGTERM

    @asynccontextmanager
    async def lifespan(self, services):
        os.kill(os.getppid(), self.number)
        await asyncio.Event().wait()
        yield

class Killed(Terminated):
    number = signal.SIGKILL
"""


def silent(_: object) -> Script:
    """A word, and then nothing until the run is cancelled."""
    return [ping(), text("one "), asyncio.Event(), stop(), DONE]


class TestStart:
    async def test_no_letta(self, tmp_path: Path, redis: RedisServer) -> None:
        """What is wrong is told once, and not by each of them."""
        ended = await refused(tmp_path, "http://127.0.0.1:1", redis)

        assert (ended.status, ended.out) == (1, "")
        (line,) = ended.lines
        assert "http://127.0.0.1:1" in line
        assert "LETTA_BASE_URL" in line

    async def test_no_redis(self, tmp_path: Path) -> None:
        """A store that does not answer is one line with its address, without the password."""
        store = {"use": "redis", "url": f"redis://:s3cret@127.0.0.1:{free_port()}/0"}
        async with played({"Milo": said("Hello")}) as letta:
            ended = await refused(tmp_path, letta.url, RedisServer(tmp_path), store=store)

        assert (ended.status, ended.out) == (1, "")
        (line,) = ended.lines
        assert "redis://127.0.0.1:" in line
        assert "s3cret" not in line

    @pytest.mark.parametrize(
        ("plugin", "why"), [("Failing", "no luck"), ("Killed", "killed by signal 9")]
    )
    async def test_one_that_cannot_start(
        self, tmp_path: Path, redis: RedisServer, plugin: str, why: str
    ) -> None:
        """Then none is served by the others either, which had begun already."""
        (tmp_path / "second.py").write_text(SECOND)
        pipeline = [{"use": f"second:{plugin}"}]
        async with played({}) as letta:
            ended = await refused(tmp_path, letta.url, redis, pipeline=pipeline)

        assert (ended.status, ended.out) == (1, "")
        assert why in ended.lines[-1]
        assert ended.err.count(why) == 1


class TestRestart:
    async def test_a_worker_that_is_killed(self, tmp_path: Path, redis: RedisServer) -> None:
        """It comes back, under the same parent; a stream through the other does not notice."""
        async with (
            played({"Milo": silent}) as letta,
            serving(tmp_path, letta.url, redis) as gateway,
            gateway.streaming(2) as response,
        ):
            killed = gateway.pids[1]
            os.kill(killed, signal.SIGKILL)
            line = await gateway.hears_of("has died")
            assert await gateway.has_a_worker() == 1
            async with gateway.streaming(1):
                gateway.signal(signal.SIGTERM)
                await gateway.hears_of("stopping")
                gateway.signal(signal.SIGTERM)
                assert (await chunks_of(response))[-1] == "[DONE]"
            ended = await gateway.ended()

        assert (line["worker"], line["pid"]) == (1, killed)
        assert "signal 9" in line["message"]
        assert gateway.pids[1] != killed
        assert ended.status == 0

    async def test_again_and_again(self, tmp_path: Path, redis: RedisServer) -> None:
        """The time until it is started again grows."""
        delays = []
        async with (
            played({"Milo": said("Hello")}) as letta,
            serving(tmp_path, letta.url, redis) as gateway,
        ):
            for _ in range(3):
                os.kill(gateway.pids[1], signal.SIGKILL)
                line = await gateway.hears_of("has died")
                delays += re.findall(r"in ([\d.]+) s", line["message"])
                await gateway.has_a_worker()

        assert delays == ["0.5", "1", "2"]

    async def test_one_that_cannot_come_back(self, tmp_path: Path) -> None:
        """Without the store it is tried again, and the others go on."""
        server = RedisServer(tmp_path)
        try:
            server.start()
            async with (
                played({"Milo": said("Hello")}) as letta,
                serving(tmp_path, letta.url, server) as gateway,
            ):
                server.kill()
                os.kill(gateway.pids[1], signal.SIGKILL)
                await gateway.hears_of("has died")
                why = (await gateway.hears_of("has died"))["message"]
                server.start()
                assert await gateway.has_a_worker() == 1
                gateway.signal(signal.SIGTERM)
                ended = await gateway.ended()
        finally:
            server.kill()

        assert f"127.0.0.1:{server.port}" in why
        assert ended.status == 0


class TestEnd:
    @pytest.mark.parametrize(("name", "status"), [("Terminated", 0), ("Killed", -9)])
    async def test_before_it_serves(
        self, tmp_path: Path, redis: RedisServer, name: str, status: int
    ) -> None:
        """A worker that is still starting is not waited for, and does not stay."""
        (tmp_path / "slow.py").write_text(SLOW)
        async with played({}) as letta:
            ended = await refused(
                tmp_path, letta.url, redis, pipeline=[{"use": f"slow:{name}"}, *STEPS]
            )

        assert (ended.status, ended.out, ended.err) == (status, "", "")

    async def test_streams_finish(self, tmp_path: Path, redis: RedisServer) -> None:
        """At SIGTERM each worker lets its streams come to their end."""
        gate = asyncio.Event()
        script = [ping(), text("one "), gate, text("two"), stop(), DONE]
        async with (
            played({"Milo": script}) as letta,
            serving(tmp_path, letta.url, redis) as gateway,
            gateway.streaming(1) as first,
            gateway.streaming(2) as second,
        ):
            gateway.signal(signal.SIGTERM)
            workers = [(await gateway.hears_of("stopping"))["worker"] for _ in range(2)]
            gate.set()
            heard = [await chunks_of(response) for response in (first, second)]
            ended = await gateway.ended()

        assert sorted(workers) == [1, 2]
        assert [said_in(chunks) for chunks in heard] == ["two", "two"]
        assert ended.status == 0
        assert "Traceback" not in ended.err

    async def test_a_second_signal(self, tmp_path: Path, redis: RedisServer) -> None:
        """It ends the streams of all workers in an error, and cancels their runs."""
        endless = does({"text": ["one ", *["more "] * 2000], "delay": 0.05})
        async with FakeLetta() as letta:
            letta.add_agent("Milo")
            async with (
                serving(tmp_path, letta.url, redis) as gateway,
                gateway.streaming(1, endless) as first,
                gateway.streaming(2, endless) as second,
            ):
                await _stopping(gateway, signal.SIGINT)
                gateway.signal(signal.SIGINT)
                heard = [await chunks_of(response) for response in (first, second)]
                ended = await gateway.ended()

        assert [chunks[-1] for chunks in heard] == ["[DONE]", "[DONE]"]
        assert [chunks[-2]["error"]["code"] for chunks in heard] == ["gateway_stopping"] * 2
        assert [run.status for run in letta.runs.values()] == ["cancelled"] * 2
        assert ended.status == 0

    async def test_a_third_signal(self, tmp_path: Path, redis: RedisServer) -> None:
        """It waits for nobody, and leaves nobody behind."""
        async with (
            played({"Milo": silent}) as letta,
            serving(tmp_path, letta.url, redis) as gateway,
            gateway.streaming(1),
        ):
            _hang(letta)
            await _stopping(gateway, signal.SIGTERM)
            gateway.signal(signal.SIGTERM)
            await gateway.hears_of("that are ended: 1")
            gateway.signal(signal.SIGTERM)
            ended = await gateway.ended()

        assert ended.status == 128 + signal.SIGTERM

    async def test_signals_that_reach_all(self, tmp_path: Path, redis: RedisServer) -> None:
        """A terminal sends Ctrl-C to the workers, too; some supervisors do so with SIGTERM."""
        gate = asyncio.Event()
        script = [ping(), text("one "), gate, text("two"), stop(), DONE]
        async with (
            played({"Milo": script}) as letta,
            serving(tmp_path, letta.url, redis) as gateway,
            gateway.streaming(1) as response,
        ):
            os.killpg(gateway.parent.process.pid, signal.SIGINT)
            for _ in range(2):
                await gateway.hears_of("stopping")
            for pid in gateway.pids.values():
                with suppress(ProcessLookupError):  # one has nothing to finish
                    os.kill(pid, signal.SIGTERM)
            gate.set()
            heard = await chunks_of(response)
            ended = await gateway.ended()

        assert said_in(heard) == "two"
        assert ended.status == 0
        assert "Traceback" not in ended.err


async def _stopping(gateway: Several, number: signal.Signals) -> None:
    """Both have heard of it."""
    gateway.signal(number)
    for _ in range(2):
        await gateway.hears_of("stopping")


def _hang(letta: PlayedLetta) -> None:
    """It takes no cancel, so that its runs never end."""
    letta.down = Refusal(500)


async def test_a_reload(tmp_path: Path, redis: RedisServer) -> None:
    """All workers read the file, also one that is started again; a bad file changes none."""
    hello = [reasoning("Hm."), *said("Hello")]
    steps = [{"use": use} for use in ("agent_resolver", "conversation_resolver")]
    shown = {"use": "reasoning_mapper", "config": {"into": ["reasoning"]}}
    hidden = {"use": "reasoning_mapper", "config": {"into": []}}
    async with (
        played({"Milo": hello}) as letta,
        serving(tmp_path, letta.url, redis, pipeline=[*steps, hidden]) as several,
    ):
        assert await thoughts(several) == [None, None]
        config_of(tmp_path, letta.url, redis, pipeline=[{"use": "nothing"}])
        several.signal(signal.SIGHUP)
        await several.hears_of("not reloaded")
        assert await thoughts(several) == [None, None]
        config_of(tmp_path, letta.url, redis, pipeline=[*steps, shown])
        several.signal(signal.SIGHUP)
        for _ in several.pids:
            await several.hears_of("reloaded: new requests")
        os.kill(several.pids[2], signal.SIGKILL)
        assert await several.has_a_worker() == 2
        assert await thoughts(several) == ["Hm.", "Hm."]


async def thoughts(several: Several) -> list[str | None]:
    """The reasoning that each worker shows."""
    found = []
    body = {"model": "Milo", "messages": [{"role": "user", "content": "Hi"}]}
    for number in sorted(several.pids):
        with several.only(number):
            async with (
                aiohttp.ClientSession() as client,
                client.post(f"{several.url}/v1/chat/completions", json=body) as answer,
            ):
                message = (await answer.json())["choices"][0]["message"]
        found.append(message.get("reasoning"))
    return found
