"""The largest number of streams is sought in few tries."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.capacity import FEWEST, MOST, STEP, holds, job, sought
from benchmarks.native.load import Outcome, Spread


NONE = Spread(0, 0, 0)
GOOD = Outcome(10, 10, 0, 0, 100, 0, 1.0, 1.0, 0.1, NONE, NONE, NONE, "")


@pytest.mark.parametrize("limit", [6, 77, 640, 2500])
@pytest.mark.parametrize("guess", [1, 100, 900, 9000])
def test_finds_the_limit(limit, guess):
    """Wherever it begins, it comes as near to the limit as one step."""
    tried = []

    def good(streams: int) -> bool:
        tried.append(streams)
        return streams <= limit

    low, high = sought(good, guess)

    assert low <= limit < high <= max(low * STEP + 1, FEWEST)
    assert len(tried) == len(set(tried)) < 16


def test_none_and_all():
    """Not even the fewest, or more than are tried."""
    assert sought(lambda _: False, 100) == (0, FEWEST)
    assert sought(lambda _: True, 100) == (MOST, None)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, True),
        ({"ok": 9}, False),
        ({"stalled": 1}, False),
        ({"delivered": 0.97}, False),
        ({"delivered": 0.985}, True),
    ],
)
def test_holds(change, held):
    """Held is: all whole, none ever stood still, and what was due came in time."""
    assert holds(attrs.evolve(GOOD, **change)) is held


def test_all_run_together():
    """The last stream has begun well before the first ends."""
    for streams in (5, 500, 3000):
        for request_us in (100, 90_000):
            found = job(streams, request_us)
            assert found.ramp_seconds < found.shape.seconds - 1
