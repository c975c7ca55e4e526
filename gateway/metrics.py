"""What the gateway has done since its start, for Prometheus.

Plugins are counted on their way (`gateway.pipeline.watch.Tally`), which costs no call into a
library for each event; what is counted is read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily

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


@attrs.define(eq=False)
class Metrics:
    """The numbers of one process, which is the `worker` of this number. They outlive a reload."""

    worker: int = 1
    _tallies: dict[tuple[str, str], Tally] = attrs.field(init=False, factory=dict)
    _registry: CollectorRegistry = attrs.field(
        init=False, factory=lambda: CollectorRegistry(auto_describe=False)
    )

    def __attrs_post_init__(self) -> None:
        self._registry.register(self)

    def tally(self, pipeline: str, plugin: str) -> Tally:
        """Where the plugin of this step is counted."""
        return self._tallies.setdefault((pipeline, plugin), Tally())

    def collect(self) -> Iterable[Metric]:
        """As prometheus_client wants it."""
        for name, about, number in PLUGINS:
            family = CounterMetricFamily(f"letta_gateway_plugin_{name}", about, labels=LABELS)
            for labels, tally in self._tallies.items():
                family.add_metric((str(self.worker), *labels), number(tally))
            yield family

    def page(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)
