"""The arithmetic of the scenes."""

from __future__ import annotations

import os

import pytest

from benchmarks import scenes
from benchmarks.bench import Bench
from benchmarks.contender import Served
from benchmarks.native.load import Job, Spread
from benchmarks.native.upstream import Shape
from benchmarks.scenes import Lost, Subject, added, checked, line


def test_marginal():
    """A chunk costs what a longer stream costs more; the rest is the request's."""
    assert line({123: 1000 + 123 * 5.0, 1230: 1000 + 1230 * 5.0}) == pytest.approx((5.0, 1000.0))


def test_reference():
    """The reference stream lasts longer where a contender takes long to begin so many."""
    assert scenes.reference_for(0.2) == Shape(73, 50, 20)
    assert scenes.reference_for(2.2).seconds == pytest.approx(2.0 + 122 * 0.02, abs=0.02)


def test_added():
    """What the upstream itself takes is not the contender's."""
    through, direct = Spread(1500, 9000, 9000), Spread(200, 1000, 2000)

    assert added("first", through, direct) == {"first_p50_ms": 1.3, "first_p99_ms": 8.0}


@pytest.fixture(name="on")
def _on(programs, upstream_) -> Bench:
    core = min(os.sched_getaffinity(0))
    return Bench(programs, upstream_, (core,), (core,))


def test_lost(on):
    """Where answers were lost there is no figure but the number of them, and why."""
    nowhere = Served(on.upstream.process.pid, f"{on.upstream.letta}/nowhere", "openai", "bench")

    outcome = on.run(nowhere, Job(1, 2, Shape(0, 2))).outcome

    with pytest.raises(Lost, match="2 of 2 answers: text is missing"):
        checked(outcome)


def test_not_tried(on):
    """Who is far too slow for a scene has no figure in it, and takes no minute."""
    slow = Subject(on.direct(), chunk_us=400)

    assert scenes.paced(200)(on, slow) == {}
    assert scenes.five_hundred(on, slow) == {}
    assert scenes.two_thousand(on, slow) == {}


def test_whole(on):
    """Answers that are not streamed are counted by the second."""
    figures = scenes.whole(on, Subject(on.direct(), chunk_us=200))

    assert figures.keys() == {"whole_rate", "whole_us"}
    assert all(value > 0 for value in figures.values())


def test_burst(on):
    """A burst tells what a chunk costs, what a request costs, and how many a second there are."""
    figures = scenes.burst(on, Subject(on.direct(), chunk_us=1000))

    assert figures.keys() == {"burst_us", "request_us", "burst_rate"}
    assert figures["burst_rate"] > 0
