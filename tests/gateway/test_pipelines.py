"""A configuration's pipelines, opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import loguru
import pytest

from gateway.errors import StartError
from gateway.metrics import Metrics
from gateway.pipelines import opened
from gateway.plugin import NoConfig, Plugin, Services
from gateway.services import LoopClock
from gateway.store.memory import MemoryStore
from tests.gateway.test_assemble import loaded


HERE = __name__
told: list[str] = []
stores: dict[str, Any] = {}


class One(Plugin[NoConfig]):
    """Tells when it is opened, and when it is closed."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        name = type(self).__name__
        told.append(f"{name} opens")
        stores[name] = services.store
        try:
            yield
        finally:
            told.append(f"{name} closes")


class Two(One):
    """Leaves work behind that is spawned as it should be."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        async def work() -> None:
            await asyncio.sleep(0)
            told.append("work is done")

        async with super().lifespan(services):
            services.spawn(work())
            yield


class Three(One):
    """Cannot start."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        raise StartError("no luck")
        yield


def steps(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"use": f"{HERE}:{name}", **more} for name in names]


def open_all(tmp_path: Path, store: Any = None, **sections: Any) -> Any:
    told.clear()
    base = Services(
        attrs.NOTHING,  # type: ignore[arg-type]  nobody asks Letta here
        store or MemoryStore(),
        LoopClock(),
        loguru.logger,
        lambda work: work.close(),
    )
    return opened(None, base, Metrics(), loaded(tmp_path, **sections))  # type: ignore[arg-type]


async def test_the_order(tmp_path: Path) -> None:
    """All pipelines are opened, and closed in reverse after the work that they have spawned."""
    sections = {"pipeline": steps("One", "Two"), "pipelines": {"other": steps("One", id="another")}}
    async with open_all(tmp_path, **sections):
        assert told == ["One opens", "Two opens", "One opens"]
    assert told[3:] == ["work is done", "One closes", "Two closes", "One closes"]


async def test_one_cannot_start(tmp_path: Path) -> None:
    """Those that were opened are closed; the error names the plugin."""
    with pytest.raises(StartError, match="Three"):
        async with open_all(tmp_path, pipeline=steps("One", "Three")):
            pass
    assert told == ["One opens", "One closes"]


async def test_stores(tmp_path: Path) -> None:
    """Steps of one id share their part of the store, whatever pipeline they are in."""
    pipelines = {"other": steps("Two", id="same"), "third": steps("Two", id="another")}
    async with open_all(tmp_path, pipeline=steps("One", id="same"), pipelines=pipelines):
        await stores["One"].put("x", b"1", ttl=60)
        assert await stores["Two"].read("x") is None  # that of the last, which has another id
    del pipelines["third"]
    store = MemoryStore()
    sections = {"pipeline": steps("One", id="same"), "pipelines": pipelines}
    async with open_all(tmp_path, store, **sections):
        await stores["One"].put("x", b"1", ttl=60)
        assert await stores["Two"].read("x") == b"1"


async def test_shared(tmp_path: Path) -> None:
    """Steps of one id and the same settings are one plugin, which is opened once."""
    sections: dict[str, Any] = {"pipeline": steps("One", "Two")}
    sections["pipelines"] = {"other": steps("One")}
    sections["models"] = [{"id": "quick", "agent": "Milo", "settings": {f"{HERE}:Two": {}}}]
    async with open_all(tmp_path, **sections):
        assert told == ["One opens", "Two opens"]
    assert told[2:] == ["work is done", "Two closes", "One closes"]
