"""What `newline_reconstructor` costs a stream: computing time, waiting time and memory.

    python -m benchmarks.newlines

The texts of the test corpus arrive in pieces as from a model. Computing is measured on this
machine; waiting is counted on a clock of its own, a piece every 20 ms.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Iterable, Sequence

import attrs

from gateway.events import TextDelta
from gateway.plugin import Agent, Call
from gateway.testing.kit import ManualClock, context
from plugins.newline_reconstructor import Config, NewlineReconstructor, Repair
from tests.corpus.newlines import texts


PIECE = 4
INTERVAL = 0.02
STREAMS = 2000
OLDER = Call("agent", (), agent=Agent("agent-1", "agent", "memgpt_agent"))


@attrs.define
class Sample:
    """Times of each piece, in seconds."""

    computing: list[float] = attrs.Factory(list)
    waiting: list[float] = attrs.Factory(list)


async def stream(text: str, call: Call, sample: Sample) -> None:
    """One text, piece by piece."""
    clock = ManualClock()
    turn = NewlineReconstructor(Config()).begin(context(clock))
    await turn.prepare(call)
    held_since: list[float] = []
    for start in range(0, len(text), PIECE):
        event = TextDelta(text[start : start + PIECE], "message-1")
        begun = time.perf_counter()
        out = list(turn.feed(event))
        sample.computing.append(time.perf_counter() - begun)
        if out:
            sample.waiting += [clock.now() - since for since in held_since]
            held_since = []
        if turn.due() is not None:
            held_since.append(clock.now())
        else:
            sample.waiting.append(0.0)
        clock.advance(INTERVAL)
        due = turn.due()
        if due is not None and due <= clock.now():
            list(turn.release())
            sample.waiting += [due - since for since in held_since]
            held_since = []


def percentiles(seconds: Sequence[float]) -> str:
    """Median, p95, p99 and maximum, in ms."""
    cut = statistics.quantiles(seconds, n=100)
    values = (cut[49], cut[94], cut[98], max(seconds))
    return " | ".join(f"{value * 1000:.3f}" for value in values)


async def measure(name: str, chosen: Iterable[str], call: Call) -> None:
    """Print the rows of one kind of text."""
    sample = Sample()
    for text in chosen:
        await stream(text, call, sample)
    held = sum(wait > 0 for wait in sample.waiting) / len(sample.waiting)
    print(f"| {name}, computing | {len(sample.computing)} | {percentiles(sample.computing)} |")
    print(
        f"| {name}, waiting ({held:.1%} of pieces) | {len(sample.waiting)} |"
        f" {percentiles(sample.waiting)} |"
    )


def memory() -> float:
    """Bytes that a stream keeps while it holds a piece, measured over many."""
    plugin = NewlineReconstructor(Config())
    about = context()
    warm = plugin.begin(about)
    list(warm.feed(TextDelta("x.\\n", "message-1")))
    tracemalloc.start()
    turns: list[Repair] = []
    before = tracemalloc.get_traced_memory()[0]
    for number in range(STREAMS):
        turn = plugin.begin(about)
        assert isinstance(turn, Repair)
        list(turn.feed(TextDelta("🎉 `code` " * 30 + ".\\n", f"message-{number:036}")))
        turns.append(turn)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return kept / STREAMS


async def main() -> None:
    """Print it all as a table in markdown."""
    corpus = [text for text in texts() if not text.held_out]
    plain = [text.text for text in corpus if not text.escaped]
    escaped = [text.text for text in corpus if text.escaped]
    print("| ms | pieces | median | p95 | p99 | max |\n|---|---:|---:|---:|---:|---:|")
    await measure("not escaped", plain, Call("agent", ()))
    await measure("escaped twice", escaped, Call("agent", ()))
    await measure("older agent", escaped, OLDER)
    print(f"\nmemory per stream: {memory():.0f} bytes")


if __name__ == "__main__":
    import asyncio

    asyncio.run(main())
