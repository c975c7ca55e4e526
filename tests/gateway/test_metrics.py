"""What is counted, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.counted import bury
from gateway.events import Event, TextDelta
from gateway.metrics import Metrics
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.workers.board import Board
from tests.gateway.played_letta import said
from tests.gateway.serving import PIPELINE, USER, Served, serving


HERE = __name__


class Unruly(Plugin[NoConfig]):
    """Fails where its text says so, and blocks."""

    def begin(self, context: Context) -> Turn:
        return UnrulyTurn()


class UnrulyTurn(Turn):
    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, TextDelta) and event.text == "wait":
            time.sleep(0.2)
        if isinstance(event, TextDelta) and event.text == "fail":
            raise RuntimeError("it failed")
        return (event,)


@pytest.fixture(name="served")
async def _served(tmp_path: Path) -> AsyncIterator[Served]:
    unruly = {"use": f"{HERE}:Unruly", "id": "unruly", "on_failure": "bypass"}
    steps = [*({"use": name} for name in PIPELINE), unruly]
    async with serving(tmp_path, {"Milo": said("wait", "fail")}, pipeline=steps) as served:
        yield served


async def counted(served: Served) -> dict[tuple[str, str], float]:
    """What the page says of plugins, by the number's and the plugin's name."""
    async with served.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        page = await answer.text()
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[family.name, sample.labels.get("plugin", "")] = sample.value
    return found


async def test_plugins(served: Served) -> None:
    """Each plugin has its numbers, and what it did wrong among them."""
    async with served.post({"model": "Milo", "messages": USER, "stream": True}) as answer:
        await answer.read()
    found = await counted(served)
    assert found["letta_gateway_plugin_failures", "unruly"] == 1
    assert found["letta_gateway_plugin_blocked", "unruly"] == 1
    assert found["letta_gateway_plugin_failures", "reasoning_mapper"] == 0
    assert found["letta_gateway_plugin_events_in", "reasoning_mapper"] == 2  # the texts go by it
    assert found["letta_gateway_plugin_events_out", "reasoning_mapper"] == 2
    assert found["letta_gateway_plugin_seconds", "unruly"] > 0.1


async def test_a_reload() -> None:
    """A step that comes again goes on counting."""
    metrics = Metrics()
    metrics.tally("pipeline", "guard").failures += 1
    metrics.tally("pipeline", "guard").failures += 1
    assert (
        b'failures_total{pipeline="pipeline",plugin="guard",worker="1"} 2.0' in await metrics.page()
    )


async def test_workers() -> None:
    """Whoever is asked tells the numbers of all, as each has told them last."""
    board = Board(2)
    first, second = Metrics(1, board), Metrics(2, board)
    first.tally("pipeline", "guard").failures += 1
    second.tally("pipeline", "guard").failures += 2
    second.load.requests += 3
    first.tell()
    page = await second.page()
    assert page == await first.page()
    for line in (
        b'failures_total{pipeline="pipeline",plugin="guard",worker="1"} 1.0',
        b'failures_total{pipeline="pipeline",plugin="guard",worker="2"} 2.0',
        b'requests_in_hand{worker="1"} 0.0',
        b'requests_in_hand{worker="2"} 3.0',
    ):
        assert line in page


async def test_a_worker_that_comes_back() -> None:
    """It goes on where the dead one had stopped, which has nothing in hand any more."""
    board = Board(2)
    watching, dying = Metrics(1, board), Metrics(2, board)
    dying.tally("pipeline", "guard").failures += 2
    dying.load.turned_away = dying.load.requests = 3
    dying.tell()
    bury(board, 2)
    assert b'requests_in_hand{worker="2"} 0.0' in await watching.page()
    for failures in (2, 3):
        back = Metrics(2, board)
        back.tally("pipeline", "guard").failures += failures - 2
        back.tell()
        line = b'failures_total{pipeline="pipeline",plugin="guard",worker="2"} %d.0' % failures
        assert line in await watching.page()
        assert b'turned_away_total{worker="2"} 3.0' in await watching.page()
