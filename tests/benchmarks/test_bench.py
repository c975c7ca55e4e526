"""Jobs are run against a contender, and what it takes is counted."""

from __future__ import annotations

import os

import pytest

from benchmarks.bench import Bench, bench
from benchmarks.native.load import Job
from benchmarks.native.upstream import Shape


@pytest.fixture(name="on")
def _on(programs, upstream_) -> Bench:
    core = min(os.sched_getaffinity(0))
    return Bench(programs, upstream_, (core,), (core,))


def test_run(on):
    """The upstream answers as the job expects, and its computing is counted."""
    done = on.run(on.direct(), Job(2, 4, Shape(3, 3)))

    assert done.outcome.good
    assert done.cpu_seconds > 0


def test_steady(on):
    """While the streams run, computing and memory are counted; the answers are checked."""
    steady = on.steady(on.direct(), Job(2, 2, Shape(0, 10, 10)))

    assert steady.outcome.good
    assert steady.cpu_seconds > 0
    assert steady.seconds > 0
    assert steady.kib > 0


@pytest.mark.needs_command("cc", package="build-essential")
def test_bench(tmp_path):
    """It builds its programs and starts the upstream; contenders have a core of their own."""
    with bench(tmp_path) as on:
        assert on.upstream.counts().answers == 0
        shared = set(on.ours) & set(on.theirs)

    assert not shared or len(os.sched_getaffinity(0)) == 1
    assert on.upstream.process.returncode == 0
