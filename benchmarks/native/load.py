"""The load: so many clients at once, who check every answer word for word."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from benchmarks.contender import Served
from benchmarks.native.upstream import Shape


SEEDS = itertools.count(1, 1_000_003)


class Broken(Exception):
    """The load could not go on: nobody listens, for example."""


@attrs.frozen
class Job:
    """What the clients do."""

    streams: int
    """Clients at once."""
    requests: int
    """In all."""
    shape: Shape
    whole: bool = False
    """Ask for answers that are not streamed."""
    ramp_seconds: float = 0
    """The first requests are spread over so long."""
    seconds: float = 60
    """What is not there by then has failed."""


@attrs.frozen
class Spread:
    """Of many durations, in microseconds."""

    p50: int
    p99: int
    max: int


@attrs.frozen
class Outcome:
    """What came of it."""

    asked: int
    ok: int
    """Answers that came whole, in order, and to their end."""
    silent: int
    """Of these, answers without their reasoning."""
    stalled: int
    """Streams that once stood still for ten times their pace."""
    deltas: int
    """Pieces of text that came."""
    late: int
    """Of these, pieces that came ten paces after their time or later."""
    delivered: float
    """Share of what was due while all streams ran that came in that time."""
    seconds: float
    cpu_seconds: float
    """Of the load itself."""
    first_us: Spread
    """From the request to the first text."""
    total_us: Spread
    gap_us: Spread
    """How far the time between two pieces was from the pace."""
    why: str
    """What was wrong first."""

    @property
    def good(self) -> bool:
        """Whether nothing was lost."""
        return self.ok == self.asked


@attrs.define
class Running:
    """A load that runs."""

    process: subprocess.Popen[bytes]

    def outcome(self) -> Outcome:
        """
        Wait for it.

        Raises:
            Broken: It could not go on.
        """
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process:
            said, wrong = self.process.stdout.read(), self.process.stderr.read()
        if self.process.returncode:
            raise Broken(wrong.decode().strip() or f"load: status {self.process.returncode}")
        return outcome_of(said)


def start(programs: Path, served: Served, job: Job) -> Running:
    """Let them begin."""
    where = urlsplit(served.url)
    numbers = {
        "port": where.port,
        "streams": job.streams,
        "requests": job.requests,
        "letta": int(served.wire == "letta"),
        "whole": int(job.whole),
        "reasoning": job.shape.reasoning,
        "content": job.shape.content,
        "pace_us": job.shape.pace_us,
        "ramp_us": round(job.ramp_seconds * 1e6),
        "seconds": round(job.seconds),
        "seed": next(SEEDS) % 2**31,
    }
    words = [f"{name}={number}" for name, number in numbers.items()]
    pipe = subprocess.PIPE
    process = subprocess.Popen([programs / "load", *words], stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    process.stdin.write(request(served, whole=job.whole))
    process.stdin.close()
    return Running(process)


def outcome_of(line: bytes) -> Outcome:
    """Read the load's one line."""
    found: dict[str, Any] = json.loads(line)
    del found["bytes"]
    spreads = {name: Spread(**found[name]) for name in ("first_us", "total_us", "gap_us")}
    return Outcome(**{**found, **spreads})


def request(served: Served, *, whole: bool) -> bytes:
    """A request as it goes over the wire; the load replaces the zeros."""
    said: Sequence[Mapping[str, str]] = [{"role": "user", "content": "Go on from @@00000000"}]
    body: dict[str, Any] = {"messages": said}
    if served.wire == "letta":
        body |= {"streaming": not whole, "stream_tokens": True, "include_pings": True}
    else:
        body |= {"model": served.model, "stream": not whole}
    sent = json.dumps(body).encode()
    where = urlsplit(served.url)
    headers = {
        "Host": where.netloc,
        "Accept": "application/json" if whole else "text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(len(sent)),
        **served.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {where.path} HTTP/1.1\r\n{lines}\r\n".encode() + sent
