"""Computing and memory are counted over a whole tree of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks import measures


# A process with one child; both compute a little, say so, and wait for the end of their input.
WORK = "sum(range(3_000_000)); print('done', flush=True); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; {WORK}"], stdout=subprocess.PIPE)
child.stdout.readline()
{WORK}
"""


@pytest.fixture(name="family")
def _family() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe, text=True
    ) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()


def test_tree(family):
    """Children are found, and their computing counts."""
    pids = measures.tree(family.pid)

    assert pids[0] == family.pid
    assert len(pids) == 2
    assert measures.cpu_seconds(pids) > measures.cpu_seconds(pids[:1]) > 0


def test_memory(family):
    """Two processes occupy more than one, and a Python more than a MiB."""
    pids = measures.tree(family.pid)

    assert measures.memory_kib(pids) > measures.memory_kib(pids[:1]) > 1024


def test_pin(family):
    """All of them run where they are told to."""
    core = min(os.sched_getaffinity(0))
    pids = measures.tree(family.pid)

    measures.pin(pids, [core])

    assert [os.sched_getaffinity(pid) for pid in pids] == [{core}, {core}]


def test_since_start(family):
    """A process knows since when it runs."""
    assert 0 <= measures.since_start(family.pid) < measures.since_start(os.getpid())


def test_ended():
    """A process that is not there any more takes nothing."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert measures.tree(ended.pid) == [ended.pid]
    assert measures.cpu_seconds([ended.pid]) == 0
    assert measures.memory_kib([ended.pid]) == 0
    measures.pin([ended.pid], [min(os.sched_getaffinity(0))])
