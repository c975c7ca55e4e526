"""Medians, spreads and ratios."""

from __future__ import annotations

import pytest

from benchmarks.results import Results


def results() -> Results:
    found = Results()
    for one, other in ((4.0, 9.0), (5.0, 30.0), (6.0, 10.0)):
        found.add("raw", {"burst_us": one})
        found.add("slow", {"burst_us": other})
    found.add("slow", {"start_s": 2.0})
    return found


def test_median():
    """One odd round does not count."""
    assert results().median("burst_us", "slow") == 10.0
    assert results().median("burst_us", "nobody") is None
    assert results().median("nothing", "slow") is None


def test_spread():
    """The lowest and the highest, where there are several."""
    assert results().spread("burst_us", "slow") == (9.0, 30.0)
    assert results().spread("start_s", "slow") is None


def test_ratio():
    """Between medians; none where one of them is missing."""
    assert results().ratio("burst_us", "slow", "raw") == pytest.approx(2.0)
    assert results().ratio("start_s", "slow", "raw") is None


def test_ratio_to_nothing():
    """What was not measurable is compared with nothing."""
    found = Results()
    found.add("raw", {"first_p50_ms": 0.0})
    found.add("slow", {"first_p50_ms": 1.0})

    assert found.ratio("first_p50_ms", "slow", "raw") is None
