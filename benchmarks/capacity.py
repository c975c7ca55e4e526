"""How many paced streams one core holds: the number is sought, run by run."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from benchmarks.bench import Bench
from benchmarks.contender import Served
from benchmarks.native.load import Job, Outcome
from benchmarks.native.upstream import Shape


PACE_MS = 20

# Streams begin slowly, so that it is the streams that are measured and not their beginnings:
# at most so many in a second, and so that half of the core is left.
BEGIN = 250
LEFT = 0.5
STEADY_SECONDS = 2.0

# Of what is due while all streams run.
DELIVERED = 0.98
STEP = 1.15
FEWEST, MOST = 5, 3000


@attrs.frozen
class Held:
    """So many streams were held."""

    streams: int
    at_least: bool
    """Whether it was the load that could not do more."""


def job(streams: int, request_us: float) -> Job:
    """So many streams, all of which run together for a while."""
    ramp = max(0.5, streams / BEGIN, streams * request_us / 1e6 / LEFT)
    deltas = round((ramp + STEADY_SECONDS) * 1000 / PACE_MS)
    return Job(streams, streams, Shape(0, deltas, PACE_MS), ramp_seconds=ramp, seconds=90)


def holds(outcome: Outcome) -> bool:
    """Whether everything came, in time, and no stream ever stood still."""
    return outcome.good and not outcome.stalled and outcome.delivered >= DELIVERED


def held(on: Bench, served: Served, chunk_us: float, request_us: float) -> Held:
    """The largest number that a contender held."""
    guess = round(1e6 / (1000 / PACE_MS) / (3 * chunk_us))
    low, high = sought(
        lambda streams: holds(on.run(served, job(streams, request_us)).outcome), guess
    )
    alone = high is None or holds(on.run(on.direct(), job(high, 0)).outcome)
    return Held(low, at_least=high is None or not alone)


def sought(good: Callable[[int], bool], guess: int) -> tuple[int, int | None]:
    """
    The largest number that is good, and the smallest that is not; some way apart.

    Args:
        guess: Where to begin; twofold steps lead from there to where it turns.

    Returns:
        0 if not even the fewest are good; None if the most are.
    """
    low, high = 0, None
    number = max(FEWEST, min(MOST, guess))
    while True:
        if good(number):
            low = number
        else:
            high = number
        following = _next(low, high)
        if following is None:
            return low, high
        number = following


def _next(low: int, high: int | None) -> int | None:
    if high is None:
        return None if low >= MOST else min(MOST, low * 2)
    if not low:
        return None if high <= FEWEST else max(FEWEST, high // 2)
    return None if high <= low * STEP + 1 else round((low * high) ** 0.5)
