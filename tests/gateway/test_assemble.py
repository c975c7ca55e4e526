"""A configuration becomes a running gateway, and is put away again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loguru
import pytest

from gateway import config
from gateway.assemble import assemble
from gateway.errors import StartError
from tests.gateway.bad_plugins import HERE as BAD
from tests.gateway.bad_plugins import opened
from tests.gateway.played_letta import said
from tests.gateway.serving import PIPELINE, USER, serving


@pytest.fixture(autouse=True)
def nothing_opened() -> Iterator[None]:
    opened.clear()
    yield
    opened.clear()


def loaded(tmp_path: Path, **settings: Any) -> config.Config:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"store": "memory", **settings}))
    return config.load(path, environ={})


def steps(*names: str) -> list[dict[str, str]]:
    return [{"use": f"{BAD}:{name}", "id": f"step{i}"} for i, name in enumerate(names)]


async def test_plugins_are_opened_and_closed(tmp_path: Path) -> None:
    """Each plugin's lifespan lasts as long as the gateway."""
    async with assemble(loaded(tmp_path, pipeline=steps("Opening", "Opening")), loguru.logger):
        assert opened == ["open", "open"]
    assert opened == ["open", "open", "close", "close"]


async def test_a_plugin_that_cannot_be_opened(tmp_path: Path) -> None:
    """The start fails, and what has been opened is closed."""
    settings = loaded(tmp_path, pipeline=steps("Opening", "Closing", "Opening"))
    with pytest.raises(StartError, match="cannot be opened"):
        async with assemble(settings, loguru.logger):
            pytest.fail("it has started")
    assert opened == ["open", "fail", "close"]


async def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """Nothing else is opened then."""
    store = {"use": "sqlite", "path": str(tmp_path)}
    settings = loaded(tmp_path, store=store, pipeline=steps("Opening"))
    with pytest.raises(StartError):
        async with assemble(settings, loguru.logger):
            pytest.fail("it has started")
    assert opened == []


async def test_an_error_while_it_runs(tmp_path: Path) -> None:
    """Everything is closed all the same."""
    with pytest.raises(KeyError):
        async with assemble(loaded(tmp_path, pipeline=steps("Opening")), loguru.logger):
            raise KeyError
    assert opened == ["open", "close"]


async def test_a_sqlite_store_is_used(tmp_path: Path) -> None:
    """What the settings name is what is opened, in the file they name."""
    path = tmp_path / "state" / "gateway.db"
    store = {"use": "sqlite", "path": str(path)}
    async with serving(tmp_path, {"Milo": said("Hello")}, store=store) as served:
        async with served.get("/ready") as answer:
            assert (await answer.json())["store"] == "ok"
        chat = {"X-Letta-Chat-Key": "chat-1"}
        async with served.post({"model": "Milo", "messages": USER}, headers=chat) as answer:
            assert answer.status == 200
    assert path.read_bytes().startswith(b"SQLite format 3")


async def test_each_plugin_has_its_own_keys(tmp_path: Path) -> None:
    """The same plugin twice, under two ids, shares nothing in the store."""
    pipeline = [{"use": name} for name in PIPELINE]
    async with serving(tmp_path, {"Milo": said("Hello")}, pipeline=pipeline) as served:
        await served.gateway.store.put("elsewhere/x", b"1", ttl=60)
        assert await served.gateway.store.read("conversation_resolver/x") is None


async def test_an_empty_pipeline_answers(tmp_path: Path) -> None:
    """Without plugins nobody finds an agent, and the client is told so in OpenAI's shape."""
    async with serving(tmp_path, {"Milo": said("Hello")}, pipeline=[]) as served:
        async with served.get("/v1/models") as answer:
            assert (await answer.json())["data"] == []
        async with served.post({"model": "Milo", "messages": USER}) as answer:
            assert answer.status >= 400
            assert (await answer.json())["error"]["message"]


async def test_the_built_in_pipeline(tmp_path: Path) -> None:
    """A file that names no plugins gets those that make it useful."""
    async with (
        serving(tmp_path, {"Milo": said("Hel", "lo")}, pipeline=None) as served,
        served.post({"model": "Milo", "messages": USER}) as answer,
    ):
        assert (await answer.json())["choices"][0]["message"]["content"] == "Hello"


async def test_a_step_that_is_switched_off(tmp_path: Path) -> None:
    """It is not opened."""
    pipeline = [{**step, "enabled": False} for step in steps("Opening")]
    async with assemble(loaded(tmp_path, pipeline=pipeline), loguru.logger):
        assert opened == []
