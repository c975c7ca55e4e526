"""What the gateway has done since its start, for Prometheus.

Plugins are counted on their way (`gateway.pipeline.watch.Tally`), which costs no call into a
library for each event; what is counted is read when somebody asks.

Of several workers each tells its numbers on a board that all of them can read, and the page
of any of them is made of what stands there alone: so it says the same whoever is asked, and a
worker that has died has not taken its numbers along. The one in its place goes on from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, Self

import attrs
import orjson
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gateway.pipeline.watch import Tally


LABELS = ("worker", "pipeline", "plugin")

# A family for each number of a tally.
PLUGINS: tuple[tuple[str, str, Callable[[Tally], float]], ...] = (
    ("events_in", "Events that the plugin was given.", lambda tally: tally.events_in),
    ("events_out", "Events that it has passed on.", lambda tally: tally.events_out),
    ("seconds", "Time that it took, waiting not included.", lambda tally: tally.seconds),
    ("failures", "Failures: what on_failure answers.", lambda tally: tally.failures),
    ("blocked", "Times it held up the whole process.", lambda tally: tally.blocked),
    ("leaked", "Tasks that it has left behind.", lambda tally: tally.leaked),
)


@attrs.define
class Load:
    """
    What a process has to do, and how often that was too much.

    `requests` are being answered, `answers` are read from Letta, some of them although their
    clients have left. `turned_away` are the requests that there was no room for.
    """

    requests: int = 0
    answers: int = 0
    turned_away: int = 0

    @property
    def in_hand(self) -> int:
        """How many requests it is at work on."""
        return max(self.requests, self.answers)


@attrs.frozen
class Numbers:
    """What a worker has counted: of each pipeline and plugin, in the order of `PLUGINS`."""

    plugins: Mapping[tuple[str, str], tuple[float, ...]] = attrs.field(factory=dict)
    turned_away: int = 0
    in_hand: int = 0

    def after(self, before: Self) -> Self:
        """The same, of somebody who goes on from where another has stopped."""
        plugins = dict(before.plugins)
        for labels, now in self.plugins.items():
            then = before.plugins.get(labels, (0.0,) * len(now))
            plugins[labels] = tuple(a + b for a, b in zip(then, now, strict=True))
        return attrs.evolve(
            self, plugins=plugins, turned_away=before.turned_away + self.turned_away
        )

    def told(self) -> bytes:
        """As it stands on a board."""
        plugins = [[*labels, *counts] for labels, counts in self.plugins.items()]
        return orjson.dumps([plugins, self.turned_away, self.in_hand])

    @classmethod
    def heard(cls, told: bytes) -> Self:
        """What stands on a board; nothing if that is empty."""
        if not told:
            return cls()
        plugins, turned_away, in_hand = orjson.loads(told)
        counts = {(each[0], each[1]): tuple(each[2:]) for each in plugins}
        return cls(counts, turned_away, in_hand)


class Board(Protocol):
    """Where the workers of a gateway tell each other what they have counted."""

    def tell(self, worker: int, words: bytes) -> None:
        """Put this in the place of what the worker has told before."""

    def told(self) -> Mapping[int, bytes]:
        """What each of them has told, the dead included."""

    async def ring(self, by: int) -> None:
        """Have the others tell what there is now."""


def bury(board: Board, worker: int) -> None:
    """The worker has died: its counters stay, and it has nothing in hand any more."""
    numbers = Numbers.heard(board.told()[worker])
    board.tell(worker, attrs.evolve(numbers, in_hand=0).told())


@attrs.define(eq=False)
class Metrics:
    """The numbers of one process, which is the `worker` of this number. They outlive a reload."""

    worker: int = 1
    board: Board | None = None
    load: Load = attrs.field(factory=Load)
    _tallies: dict[tuple[str, str], Tally] = attrs.field(init=False, factory=dict)
    _before: Numbers = attrs.field(init=False, factory=Numbers)
    _registry: CollectorRegistry = attrs.field(
        init=False, factory=lambda: CollectorRegistry(auto_describe=False)
    )

    def __attrs_post_init__(self) -> None:
        self._registry.register(self)
        if self.board is not None:
            self._before = Numbers.heard(self.board.told().get(self.worker, b""))

    def tally(self, pipeline: str, plugin: str) -> Tally:
        """Where the plugin of this step is counted."""
        return self._tallies.setdefault((pipeline, plugin), Tally())

    def tell(self) -> None:
        """Tell the other workers."""
        if self.board is not None:
            self.board.tell(self.worker, self._numbers().told())

    def collect(self) -> Iterable[Metric]:
        """As prometheus_client wants it."""
        crew = self._crew()
        for i, (name, about, _) in enumerate(PLUGINS):
            family = CounterMetricFamily(f"letta_gateway_plugin_{name}", about, labels=LABELS)
            for worker, numbers in crew.items():
                for labels, counts in numbers.plugins.items():
                    family.add_metric((worker, *labels), counts[i])
            yield family
        yield _turned_away(crew)
        yield _in_hand(crew)

    async def page(self) -> bytes:
        """All of it, in Prometheus's text format."""
        if self.board is not None:
            await self.board.ring(self.worker)
        self.tell()
        return generate_latest(self._registry)

    def _crew(self) -> Mapping[str, Numbers]:
        if self.board is None:
            return {str(self.worker): self._numbers()}
        return {str(worker): Numbers.heard(told) for worker, told in self.board.told().items()}

    def _numbers(self) -> Numbers:
        plugins = {
            labels: tuple(float(number(tally)) for _, _, number in PLUGINS)
            for labels, tally in self._tallies.items()
        }
        return Numbers(plugins, self.load.turned_away, self.load.in_hand).after(self._before)


def _turned_away(crew: Mapping[str, Numbers]) -> Metric:
    about = "Requests that there was no room for: server.max_requests."
    name = "letta_gateway_requests_turned_away"
    family = CounterMetricFamily(name, about, labels=("worker",))
    for worker, numbers in crew.items():
        family.add_metric((worker,), numbers.turned_away)
    return family


def _in_hand(crew: Mapping[str, Numbers]) -> Metric:
    about = "Requests at work; those whose clients have left count until their runs end."
    family = GaugeMetricFamily("letta_gateway_requests_in_hand", about, labels=("worker",))
    for worker, numbers in crew.items():
        family.add_metric((worker,), numbers.in_hand)
    return family
