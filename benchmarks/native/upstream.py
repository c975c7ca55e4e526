"""The upstream, running: a model server that speaks Letta's API and OpenAI's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs


@attrs.frozen
class Shape:
    """What an answer is made of."""

    reasoning: int = 73
    content: int = 50
    pace_ms: float = 0
    """Between two deltas; 0: as fast as they are taken."""

    @property
    def deltas(self) -> int:
        """How many pieces of text there are."""
        return self.reasoning + self.content

    @property
    def seconds(self) -> float:
        """How long the deltas take, from the first to the last."""
        return (self.deltas - 1) * self.pace_ms / 1000

    @property
    def pace_us(self) -> int:
        """The pace, as the programs take it."""
        return round(self.pace_ms * 1000)


@attrs.frozen
class Counts:
    """What the upstream has seen so far."""

    connections: int
    answers: int
    left_early: int


@attrs.frozen
class Upstream:
    """A running upstream."""

    process: subprocess.Popen[str]
    port: int

    @property
    def letta(self) -> str:
        """Its address as a Letta server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai(self) -> str:
        """Its address as an OpenAI server."""
        return f"{self.letta}/v1"

    def answer(self, shape: Shape) -> None:
        """From now on, answer like this."""
        self._say(f"shape {shape.reasoning} {shape.content} {shape.pace_us}")

    def counts(self) -> Counts:
        """What it has seen so far."""
        return Counts(*map(int, self._say("count").split()))

    def _say(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextmanager
def upstream(programs: Path) -> Iterator[Upstream]:
    """An upstream until the block is left."""
    pipe = subprocess.PIPE
    with subprocess.Popen([programs / "upstream"], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Upstream(process, int(process.stdout.readline()))
        process.stdin.close()
