"""The place of a run: the upstream, the cores, and one job after another against a contender."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import measures
from benchmarks.contender import Served
from benchmarks.native import build, load
from benchmarks.native.load import Job, Outcome, Running
from benchmarks.native.upstream import Upstream, upstream


FILES = 65536
CACHE = Path(__file__).parents[1] / ".cache" / "bench"


@attrs.frozen
class Done:
    """What one job came to."""

    outcome: Outcome
    cpu_seconds: float
    """Of the contender, from the job's beginning to its end."""


@attrs.frozen
class Steady:
    """What was taken while all streams ran, and none began or ended."""

    outcome: Outcome
    cpu_seconds: float
    seconds: float
    kib: float


@attrs.frozen
class Bench:
    """The upstream and the programs; contenders run on `theirs`, all else on `ours`."""

    programs: Path
    upstream: Upstream
    ours: tuple[int, ...]
    theirs: tuple[int, ...]
    _without: dict[Job, Outcome] = attrs.field(factory=dict)

    def direct(self) -> Served:
        """The upstream itself, as if it were a contender."""
        url = f"{self.upstream.openai}/chat/completions"
        return Served(self.upstream.process.pid, url, "openai", "bench")

    def without(self, job: Job) -> Outcome:
        """What it comes to without a contender; measured once in each round."""
        if job not in self._without:
            self._without[job] = self.run(self.direct(), job).outcome
        return self._without[job]

    def next_round(self) -> None:
        """What was measured without a contender is measured again."""
        self._without.clear()

    def run(self, served: Served, job: Job) -> Done:
        """Do it, and count what it takes."""
        pids = self._placed(served)
        before = measures.cpu_seconds(pids)
        outcome = self.start(served, job).outcome()
        return Done(outcome, measures.cpu_seconds(pids) - before)

    def steady(self, served: Served, job: Job) -> Steady:
        """Do it, and count what is taken between the last beginning and the first ending."""
        pids = self._placed(served)
        running = self.start(served, job)
        together = max(0.0, job.shape.seconds - job.ramp_seconds)
        time.sleep(job.ramp_seconds + 0.1 * together)
        begun, before = time.monotonic(), measures.cpu_seconds(pids)
        time.sleep(0.8 * together)
        seconds, cpu = time.monotonic() - begun, measures.cpu_seconds(pids) - before
        kib = measures.memory_kib(measures.tree(served.pid))
        return Steady(running.outcome(), cpu, seconds, kib)

    def start(self, served: Served, job: Job) -> Running:
        """Begin it; the upstream answers as the job expects."""
        self.upstream.answer(job.shape)
        running = load.start(self.programs, served, job)
        measures.pin([running.process.pid], self.ours)
        return running

    def _placed(self, served: Served) -> list[int]:
        pids = measures.tree(served.pid)
        if served.pid != self.upstream.process.pid:
            measures.pin(pids, self.theirs)
        return pids


def _allow_files() -> None:
    """A stream takes two: contenders inherit what production gives them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))


@contextmanager
def bench(cache: Path = CACHE) -> Iterator[Bench]:
    """
    A bench until the block is left.

    Raises:
        Unavailable: Its programs cannot be built.
    """
    programs = build(cache)
    _allow_files()
    cores = sorted(os.sched_getaffinity(0))
    theirs, ours = (cores[0],), tuple(cores[1:]) or (cores[0],)
    with upstream(programs) as running:
        measures.pin([running.process.pid], ours)
        yield Bench(programs, running, ours, theirs)
