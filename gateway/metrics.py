"""What the gateway has done since its start, for Prometheus.

Of several workers each tells its numbers on a board that all of them can read, and the page
of any of them is made of what stands there alone: so it says the same whoever is asked, and a
worker that has died has not taken its numbers along. The one in its place goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gateway.counted import PLUGINS, Board, Load, Numbers
from gateway.pipeline.watch import Tally


LABELS = ("worker", "pipeline", "plugin")


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
