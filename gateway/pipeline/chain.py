"""The turns of one request as one: events rise through them, from Letta's side to the client's.

They rise in batches, as they come: one turn has seen the whole of a batch before the next one
sees what it has made of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs

from gateway.events import ENDINGS, Ending, Event
from gateway.pipeline.guard import Guarded
from gateway.pipeline.watch import AT_WORK


@attrs.define
class Chain:
    """
    `turns` in the list's order: the first is nearest to the client. Idle ones are left out.

    `ending` is what came out at the top as the last event; after it nothing rises.
    """

    turns: Sequence[Guarded]
    ending: Ending | None = attrs.field(init=False, default=None)
    _timed: Sequence[Guarded] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # From here on as events meet them.
        self.turns = [turn for turn in reversed(self.turns) if not turn.turn.idle]
        self._timed = [turn for turn in self.turns if turn.timed]

    def feed(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Events from below; what comes out at the top."""
        return self._rise(batch if self.turns else _to_the_end(batch), self.turns)

    def due(self) -> float | None:
        """The earliest time at which a turn wants to let go what it holds."""
        earliest = None
        for turn in self._timed:
            due = turn.due()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def release(self, now: float) -> Sequence[Event]:
        """Let go what is due at `now`; what comes out at the top."""
        out: list[Event] = []
        for turn in self._timed:
            due = turn.due()
            if due is not None and due <= now:
                above = self.turns[self.turns.index(turn) + 1 :]
                out += self._rise(turn.release(now), above)
        return out

    def _rise(self, batch: Sequence[Event], turns: Sequence[Guarded]) -> Sequence[Event]:
        if self.ending is not None:
            return ()
        before, began = AT_WORK.worker, time.perf_counter()
        try:
            kinds = frozenset(map(type, batch))
            for turn in turns:
                if not kinds:
                    break
                if turn.lets_by(kinds):
                    continue
                AT_WORK.worker = turn.worker
                batch = turn.feed(batch)
                kinds = frozenset(map(type, batch))
                # One look at the clock for each turn: more would take longer than most do.
                now = time.perf_counter()
                turn.took(now - began)
                began = now
        finally:
            AT_WORK.worker = before
        if batch and isinstance(last := batch[-1], ENDINGS):
            self.ending = last
        return batch


def _to_the_end(batch: Sequence[Event]) -> Sequence[Event]:
    """Without what follows an ending."""
    ends = (i for i, event in enumerate(batch, start=1) if isinstance(event, ENDINGS))
    return batch[: next(ends, None)]
