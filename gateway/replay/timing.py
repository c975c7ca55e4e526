"""What each plugin costs, as the gateway itself measures it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import attrs

from gateway.letta.played import PlayedLetta
from gateway.pipeline import Step
from gateway.replay.lane import Base, at_once, bare


REPETITIONS = 100
SECONDS = 3.0


@attrs.frozen
class Cost:
    """What a step costs: the median of all repetitions, in microseconds for each event."""

    step: str
    events: int
    microseconds: float
    repetitions: int


async def costs(base: Base) -> Sequence[Cost]:
    """
    Play the recording many times, and see what each step takes of it.

    Each time with new plugins and an empty store: none of them is refused for what came before.
    """
    ends = time.monotonic() + SECONDS
    async with at_once(base) as letta:
        await _steps(base, letta)  # the first one fills caches
        played = [await _steps(base, letta)]
        while len(played) < REPETITIONS and time.monotonic() < ends:
            played.append(await _steps(base, letta))
    return [_cost(each) for each in zip(*played, strict=True)]


async def _steps(base: Base, letta: PlayedLetta) -> Sequence[Step]:
    """Those of one replay, with their tallies."""
    async with bare(base, letta) as lane:
        await lane.play()
        return lane.pipeline.steps


def _cost(played: Sequence[Step]) -> Cost:
    tallies = [step.tally for step in played]
    per_event = [each.seconds / each.events_in * 1e6 for each in tallies if each.events_in]
    median = statistics.median(per_event) if per_event else 0.0
    return Cost(played[0].id, tallies[0].events_in, round(median, 2), len(played))
