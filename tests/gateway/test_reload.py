"""The file read anew while the gateway serves."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from gateway import reload
from gateway.config import Config, load
from gateway.reload import Source, need_restart
from tests.gateway.command import Started, serving
from tests.gateway.played_letta import DONE, PlayedLetta, ping, played, reasoning, said, stop, text
from tests.gateway.serving import USER


JSON = ("--log-format", "json")


@attrs.frozen
class Reloadable:
    """A gateway as a process, and the file that it was started with."""

    file: Path
    letta: PlayedLetta
    started: Started
    client: aiohttp.ClientSession

    def write(self, into: Any, **sections: Any) -> None:
        self.file.write_text(settings(self.letta.url, into, **sections))

    def hang_up(self) -> None:
        self.started.process.send_signal(signal.SIGHUP)

    async def thought(self) -> str | None:
        """The reasoning that an answer shows."""
        body = {"model": "Milo", "messages": USER}
        url = f"{self.started.url}/v1/chat/completions"
        async with self.client.post(url, json=body) as answer:
            message = (await answer.json())["choices"][0]["message"]
        return message.get("reasoning")


def settings(letta: str, into: Any, **sections: Any) -> str:
    """The file, with reasoning in these fields."""
    uses = ["agent_resolver", "conversation_resolver", "reasoning_mapper"]
    steps: list[dict[str, Any]] = [{"use": use} for use in uses]
    steps[-1]["config"] = {"into": into}
    whole = {"store": "memory", "letta": {"base_url": letta}, "pipeline": steps}
    return json.dumps({**whole, **sections})


@asynccontextmanager
async def reloadable(tmp_path: Path, *flags: str, **environ: str) -> AsyncIterator[Reloadable]:
    file = tmp_path / "gateway.yaml"
    async with played({"Milo": [reasoning("Hm."), *said("Hello")]}) as letta:
        file.write_text(settings(letta.url, []))
        async with (
            serving("--config", file, *JSON, *flags, cwd=tmp_path, **environ) as started,
            aiohttp.ClientSession() as client,
        ):
            yield Reloadable(file, letta, started, client)


async def test_a_signal(tmp_path: Path) -> None:
    """SIGHUP reads the file; new requests are answered as it says now."""
    async with reloadable(tmp_path) as gateway:
        assert await gateway.thought() is None
        gateway.write(["reasoning"])
        gateway.hang_up()
        await gateway.started.logs("reloaded: new requests")
        assert await gateway.thought() == "Hm."


async def test_a_running_stream(tmp_path: Path) -> None:
    """It ends as it began."""
    async with reloadable(tmp_path) as gateway:
        go_on = asyncio.Event()
        ending = [reasoning("Hm.", "message-0"), text("two"), stop(), DONE]
        gateway.letta.scripts["Milo"] = [ping(), text("one "), go_on, *ending]
        body = {"model": "Milo", "messages": USER, "stream": True}
        url = f"{gateway.started.url}/v1/chat/completions"
        async with gateway.client.post(url, json=body) as answer:
            await answer.content.readuntil(b"one ")
            gateway.write(["reasoning"])
            gateway.hang_up()
            await gateway.started.logs("reloaded: new requests")
            go_on.set()
            rest = await answer.content.read()
    assert b"two" in rest
    assert b"Hm." not in rest
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_a_bad_file(tmp_path: Path) -> None:
    """It changes nothing, and the log names each mistake with its place."""
    async with reloadable(tmp_path) as gateway:
        gateway.write(["reasonin"])
        gateway.hang_up()
        line = json.loads(await gateway.started.logs("not reloaded"))
        assert f"{gateway.file}:1:" in line["message"]
        assert "pipeline[2].config.into[0]" in line["message"]
        assert await gateway.thought() is None
        gateway.write(["reasoning"])
        gateway.hang_up()
        await gateway.started.logs("reloaded: new requests")
        assert await gateway.thought() == "Hm."


async def test_a_plugin_that_cannot_start(tmp_path: Path) -> None:
    """It changes nothing either."""
    (tmp_path / "unlucky.py").write_text(
        "from contextlib import asynccontextmanager\n"
        "from gateway.plugin import Plugin\n\n"
        "class Unlucky(Plugin):\n"
        "    @asynccontextmanager\n"
        "    async def lifespan(self, services):\n"
        "        raise RuntimeError('no luck')\n"
        "        yield\n"
    )
    async with reloadable(tmp_path, PYTHONPATH=str(tmp_path)) as gateway:
        gateway.write(["reasoning"], pipeline=[{"use": "unlucky:Unlucky"}])
        gateway.hang_up()
        assert "no luck" in await gateway.started.logs("not reloaded")
        assert await gateway.thought() is None


async def test_what_needs_a_restart(tmp_path: Path) -> None:
    """It is named; the rest is reloaded."""
    async with reloadable(tmp_path) as gateway:
        gateway.write(["reasoning"], server={"body_limit_mb": 7})
        gateway.hang_up()
        assert "server.body_limit_mb" in await gateway.started.logs("needs a restart")
        await gateway.started.logs("reloaded: new requests")
        assert await gateway.thought() == "Hm."


async def test_watching(tmp_path: Path) -> None:
    """With --watch a change of the file is enough, also one by renaming."""
    async with reloadable(tmp_path, "--watch") as gateway:
        fresh = tmp_path / "fresh.yaml"
        fresh.write_text(settings(gateway.letta.url, ["reasoning"]))
        fresh.rename(gateway.file)
        await gateway.started.logs("reloaded: new requests")
        assert await gateway.thought() == "Hm."


@pytest.mark.parametrize("text", ["", "keys: []"])
async def test_without_keys_any_more(tmp_path: Path, text: str) -> None:
    """Where there were keys nobody gets in without: the file may be half written."""
    async with reloadable(tmp_path, LETTA_GATEWAY_KEY="", WITH="sk-ada") as gateway:
        gateway.write(["reasoning"], keys=[{"name": "ada", "key": "${WITH}"}])
        gateway.hang_up()
        await gateway.started.logs("reloaded: new requests")
        gateway.file.write_text(text)
        gateway.hang_up()
        await gateway.started.logs("no keys any more")
        url = f"{gateway.started.url}/v1/models"
        async with gateway.client.get(url) as answer:
            assert answer.status == 401


async def test_no_file(tmp_path: Path) -> None:
    """Without one there is nothing to read, and the log says so."""
    async with (
        played({"Milo": said("Hello")}) as letta,
        serving(cwd=tmp_path, LETTA_BASE_URL=letta.url) as started,
    ):
        started.process.send_signal(signal.SIGHUP)
        await started.logs("not reloaded: there is no file")


def loaded(tmp_path: Path, **sections: Any) -> Config:
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps({"pipeline": [], **sections}))
    return load(file, environ={})


def test_what_is_reloaded(tmp_path: Path) -> None:
    """What needs a restart stays as it was at the start, the rest is new."""
    before = loaded(tmp_path, store="memory")
    changed: dict[str, Any] = {"store": "sqlite", "server": {"port": 1, "keepalive_seconds": 5}}
    changed["models"] = [{"id": "quick", "agent": "Milo"}]
    after = reload.reloadable(before, loaded(tmp_path, **changed))
    assert after.store == before.store
    assert after.server.port == before.server.port
    assert after.server.keepalive_seconds == 5
    assert [each.id for each in after.models] == ["quick"]


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({}, []),
        ({"server": {"allow_origins": ["https://chat.example"], "keepalive_seconds": 5}}, []),
        ({"letta": {"cancel_on_disconnect": False}}, []),
        ({"server": {"port": 1}}, ["server.port"]),
        ({"letta": {"api_key": "k"}}, ["letta.api_key"]),
        ({"store": "memory"}, ["store"]),
        ({"store": {"use": "sqlite", "path": "other.db"}}, ["store.path"]),
        ({"log": {"level": "debug"}}, ["log.level"]),
        ({"record": {"directory": "streams"}}, ["record.directory"]),
    ],
)
def test_need_restart(tmp_path: Path, sections: Any, named: list[str]) -> None:
    """What belongs to the process; pipelines, keys, models and routes do not."""
    assert list(need_restart(loaded(tmp_path), loaded(tmp_path, **sections))) == named


def test_stamp(tmp_path: Path) -> None:
    """It changes with the file; there is none where nothing is watched, or no file."""
    file = tmp_path / "gateway.yaml"
    source = Source(file, {}, {}, watched=True)
    assert source.stamp() is None
    file.write_text("{}")
    before = source.stamp()
    file.write_text("{ }")
    assert source.stamp() != before
    assert Source(file, {}, {}).stamp() is None
    assert Source(None, {}, {}, watched=True).stamp() is None
