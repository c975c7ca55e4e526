"""The turns of one request as one: events rise through them, from Letta's side to the client's.

A turn's `flush` comes before the end reaches it, and what it lets go rises through the
turns above it like anything else. The end is `Usage` if there is one, else the ending:
nothing may follow usage but the ending.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gateway.events import ENDINGS, Ending, Event
from gateway.pipeline.guard import Guarded
from gateway.pipeline.order import LAST


@attrs.define
class Chain:
    """
    `turns` in the list's order: the first is nearest to the client. Idle ones are left out.

    `ending` is what came out at the top as the last event; after it nothing rises.
    """

    turns: Sequence[Guarded]
    ending: Ending | None = attrs.field(init=False, default=None)
    _timed: Sequence[int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.turns = [turn for turn in self.turns if not turn.turn.idle]
        self._timed = [i for i, turn in enumerate(self.turns) if turn.timed]

    def feed(self, event: Event) -> list[Event]:
        """One event from below; what comes out at the top."""
        out: list[Event] = []
        self._rise(len(self.turns) - 1, event, out)
        return out

    def due(self) -> float | None:
        """The earliest time at which a turn wants to let go what it holds."""
        dues = [due for i in self._timed if (due := self.turns[i].due()) is not None]
        return min(dues, default=None)

    def release(self, now: float) -> list[Event]:
        """Let go what is due at `now`; what comes out at the top."""
        out: list[Event] = []
        for i in reversed(self._timed):
            due = self.turns[i].due()
            if due is not None and due <= now:
                for event in self.turns[i].release(now):
                    self._rise(i - 1, event, out)
        return out

    def _rise(self, i: int, event: Event, out: list[Event]) -> None:
        if self.ending is not None:
            return
        if i < 0:
            out.append(event)
            if isinstance(event, ENDINGS):
                self.ending = event
            return
        turn = self.turns[i]
        if isinstance(event, LAST):
            for held in turn.flush():
                self._rise(i - 1, held, out)
        for passed in turn.feed(event):
            self._rise(i - 1, passed, out)
