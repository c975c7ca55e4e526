"""What a process counts, and how the workers of a gateway tell each other of it.

Plugins are counted on their way (`gateway.pipeline.watch.Tally`), which costs no call into a
library for each event; what is counted is read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, Self

import attrs
import orjson

from gateway.pipeline.watch import Tally


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
