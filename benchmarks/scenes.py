"""What is measured: each scene does its jobs against one contender and returns figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs

from benchmarks import capacity
from benchmarks.bench import Bench
from benchmarks.contender import Served
from benchmarks.measures import since_start
from benchmarks.native.load import Job, Outcome, Spread
from benchmarks.native.upstream import Shape


# The reference stream, and one of ten times its length: the difference is chunks and no request.
REFERENCE = Shape(73, 50)
LONG = Shape(730, 500)
BURSTS = (REFERENCE, LONG)
AT_ONCE = 4

# In turns, so that a moment in which the machine does something else is in both.
REPEATED = 3

# How much computing one burst is to take, so that slow contenders do not take minutes.
BURST_SECONDS = 0.8
BRIEF = Shape(0, 2)
WARM_SECONDS = 1.0
WARM = Job(streams=8, requests=24, shape=REFERENCE)

# The method that gateways publish their figures by; so many clients that the slowest keep up.
PUBLISHED = Shape(0, 64, 20)
CLIENTS = 10

# Open streams whose memory is compared, and how long the beginning of the more may take.
FEW, MORE = 20, 320
BEGIN_SECONDS = 4.0


class Lost(Exception):
    """Some answers did not come whole: there is no figure."""


@attrs.frozen
class Subject:
    """A contender that runs, and roughly what it takes, so that jobs are of a size it can do."""

    served: Served
    chunk_us: float = 10.0
    """For a chunk, in microseconds."""
    request_us: float = 1000.0
    """For a request without chunks."""

    def beyond(self, chunks_per_second: float) -> bool:
        """Whether a core could not do it even in bursts: trying would take a minute for nothing."""
        return chunks_per_second * self.chunk_us > 1e6


Figures: TypeAlias = Mapping[str, float]
Scene: TypeAlias = Callable[[Bench, Subject], Figures]


def checked(outcome: Outcome) -> Outcome:
    """
    It, if every answer came whole.

    Raises:
        Lost: Not all did.
    """
    if not outcome.good:
        lost = outcome.asked - outcome.ok
        raise Lost(f"{lost} of {outcome.asked} answers: {outcome.why}")
    return outcome


def warmed(on: Bench, served: Served) -> Subject:
    """Ask it a little, so that everything is loaded; then it is seen how slow it is."""
    warm = on.run(served, WARM)
    checked(warm.outcome)
    fitting = WARM_SECONDS * WARM.requests / max(warm.cpu_seconds, 0.001)
    requests, took = max(AT_ONCE, min(WARM.requests, round(fitting))), {}
    for shape in (BRIEF, REFERENCE):
        done = on.run(served, Job(AT_ONCE, requests, shape))
        checked(done.outcome)
        took[shape.deltas] = done.cpu_seconds * 1e6 / requests
    chunk, request = line(took)
    return Subject(served, max(1.0, chunk), max(100.0, request))


def burst(on: Bench, subject: Subject) -> Figures:
    """Unpaced: what one chunk more costs, and what a request costs besides its chunks."""
    fitting = BURST_SECONDS * 1e6 / (LONG.deltas * subject.chunk_us) / REPEATED
    requests = max(2, min(16, round(fitting)))
    took, seconds = {shape.deltas: 0.0 for shape in BURSTS}, 0.0
    for shape in BURSTS * REPEATED:
        done = on.run(subject.served, Job(min(AT_ONCE, requests), requests, shape))
        checked(done.outcome)
        took[shape.deltas] += done.cpu_seconds * 1e6 / (REPEATED * requests)
        seconds += done.outcome.seconds if shape is LONG else 0
    chunk, request = line(took)
    rate = REPEATED * requests * LONG.deltas / seconds
    return {"burst_us": chunk, "request_us": request, "burst_rate": rate}


def line(took: Mapping[int, float]) -> tuple[float, float]:
    """From what two lengths of a stream cost: the slope, and what a stream of none would."""
    (short, low), (long, high) = sorted(took.items())
    slope = (high - low) / (long - short)
    return slope, low - slope * short


def paced(streams: int) -> Scene:
    """So many streams at 20 ms: what a chunk costs while all of them run."""

    def measured(on: Bench, subject: Subject) -> Figures:
        if subject.beyond(streams * 50):
            return {}
        ramp = max(0.2, 2 * streams * subject.request_us / 1e6)
        shape = reference_for(ramp)
        steady = on.steady(subject.served, Job(streams, streams, shape, ramp_seconds=ramp))
        outcome = checked(steady.outcome)
        # One that cannot keep up is charged with what it delivered.
        share = 1.0 if outcome.silent else min(1.0, outcome.delivered)
        chunks = streams * steady.seconds / (shape.pace_ms / 1000) * share
        return {f"paced{streams}_us": steady.cpu_seconds * 1e6 / chunks}

    return measured


def reference_for(ramp_seconds: float) -> Shape:
    """The reference stream at 20 ms, longer where the streams take long to begin."""
    times = 1 + max(0.0, ramp_seconds - 0.2) * 50 / REFERENCE.deltas
    return Shape(round(REFERENCE.reasoning * times), round(REFERENCE.content * times), 20)


def first(on: Bench, subject: Subject) -> Figures:
    """One client, one request after another: first text, less what it takes without a gateway."""
    requests = max(30, min(100, round(5e6 / subject.request_us)))
    job = Job(streams=1, requests=requests, shape=Shape(2, 2, 3))
    direct = checked(on.without(job)).first_us
    through = checked(on.run(subject.served, job).outcome).first_us
    return added("first", through, direct)


def published(on: Bench, subject: Subject) -> Figures:
    """Ten clients, each with two streams of 64 deltas at 20 ms, one after the other."""
    job = Job(CLIENTS, 2 * CLIENTS, PUBLISHED, ramp_seconds=0.5)
    direct = checked(on.without(job))
    through = checked(on.run(subject.served, job).outcome)
    first_text = added("published_first", through.first_us, direct.first_us)
    gap = added("published_gap", through.gap_us, direct.gap_us)
    return {**first_text, **gap}


def added(name: str, through: Spread, direct: Spread) -> Figures:
    """What was added, in milliseconds."""
    return {
        f"{name}_p50_ms": (through.p50 - direct.p50) / 1000,
        f"{name}_p99_ms": (through.p99 - direct.p99) / 1000,
    }


def whole(on: Bench, subject: Subject) -> Figures:
    """Answers that are not streamed, 64 clients at once."""
    requests = max(64, min(512, round(2e6 / (subject.chunk_us * REFERENCE.deltas))))
    done = on.run(subject.served, Job(64, requests, REFERENCE, whole=True))
    checked(done.outcome)
    return {
        "whole_rate": requests / done.outcome.seconds,
        "whole_us": done.cpu_seconds * 1e6 / requests,
    }


def held(on: Bench, subject: Subject) -> Figures:
    """How many streams of 50 chunks/s one core holds."""
    found = capacity.held(on, subject.served, subject.chunk_us, subject.request_us)
    return {"held": found.streams, "held_at_least": found.at_least}


def five_hundred(on: Bench, subject: Subject) -> Figures:
    """500 streams at 20 ms."""
    if subject.beyond(500 * 50):
        return {}
    job = capacity.job(500, subject.request_us)
    outcome = checked(on.run(subject.served, job).outcome)
    return {
        "many_gap_p50_ms": outcome.gap_us.p50 / 1000,
        "many_gap_p99_ms": outcome.gap_us.p99 / 1000,
    }


def two_thousand(on: Bench, subject: Subject) -> Figures:
    """2000 streams at 200 ms, begun within two seconds."""
    if subject.beyond(2000 * 5):
        return {}
    job = Job(2000, 2000, Shape(0, 20, 200), ramp_seconds=2)
    outcome = checked(on.run(subject.served, job).outcome)
    return {
        "crowd_first_p99_ms": outcome.first_us.p99 / 1000,
        "crowd_gap_p99_ms": outcome.gap_us.p99 / 1000,
    }


def fresh(on: Bench, served: Served) -> Figures:
    """Of one that has just come up: how long that took, and what an open stream occupies."""
    started = since_start(served.pid)
    subject = warmed(on, served)
    begin = 2 * subject.request_us / 1e6
    kib: dict[int, float] = {}
    for streams in (FEW, max(2 * FEW, min(MORE, round(BEGIN_SECONDS / begin)))):
        ramp = max(0.5, streams * begin)
        shape = Shape(0, round((ramp + 1.5) / 0.25), 250)
        steady = on.steady(served, Job(streams, streams, shape, ramp_seconds=ramp))
        checked(steady.outcome)
        kib[streams] = steady.kib
    stream, rest = line(kib)
    return {"start_s": started, "stream_kib": stream, "idle_mib": rest / 1024}
