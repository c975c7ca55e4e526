"""A whole run: all contenders up, scene after scene, in turns."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from benchmarks import scenes
from benchmarks.bench import CACHE, Bench, bench
from benchmarks.contender import Contender, Place, Served, Unavailable
from benchmarks.figures import FIGURES
from benchmarks.native.load import Broken
from benchmarks.process import free_port
from benchmarks.results import Results
from benchmarks.scenes import Figures, Lost, Scene, Subject
from benchmarks.table import number


# Measured in every round.
ROUNDS: dict[str, Scene] = {
    "burst": scenes.burst,
    "paced10": scenes.paced(10),
    "paced200": scenes.paced(200),
    "first": scenes.first,
    "published": scenes.published,
    "whole": scenes.whole,
}

# Measured once: they take long, and look for where a contender gives way.
ONCE: dict[str, Scene] = {
    "held": scenes.held,
    "500": scenes.five_hundred,
    "2000": scenes.two_thousand,
}


# What takes a contender longer than this is not repeated.
LONG_SECONDS = 8.0


@attrs.frozen
class Plan:
    """What a run consists of."""

    rounds: int = 3
    starts: int = 3
    """How often each is started anew, for its start and its memory."""
    each_round: Sequence[str] = tuple(ROUNDS)
    once: Sequence[str] = tuple(ONCE)


@attrs.define
class Run:
    """A run that goes on; it says what it finds."""

    on: Bench
    cache: Path
    scratch: Path
    plan: Plan
    say: Callable[[str], None]
    results: Results = attrs.field(factory=Results)
    _began: float = attrs.field(factory=time.monotonic)
    _took_long: set[tuple[str, str]] = attrs.field(factory=set)

    def through(self, wanted: Sequence[Contender]) -> Results:
        """All of the plan, with those of the contenders that can be had."""
        ready = [contender for contender in wanted if self._prepared(contender)]
        for _ in range(self.plan.starts):
            for contender in list(ready):
                if not self._started(contender):
                    ready.remove(contender)
        with ExitStack() as stack:
            up = {}
            for contender in ready:
                subject = self._up(stack, contender)
                if subject is not None:
                    up[contender.name] = subject
            self._scenes(up)
        return self.results

    def _scenes(self, up: dict[str, Subject]) -> None:
        for number_ in range(1, self.plan.rounds + 1):
            self.on.next_round()
            for scene in self.plan.each_round:
                for name, subject in up.items():
                    self._measure(f"round {number_}, {scene}", scene, name, ROUNDS[scene], subject)
        for scene in self.plan.once:
            for name, subject in up.items():
                self._measure(scene, scene, name, ONCE[scene], subject)

    def _measure(self, what: str, scene: str, name: str, measured: Scene, subject: Subject) -> None:
        self._kept(what, scene, name, lambda: measured(self.on, subject))

    def _kept(self, what: str, scene: str, name: str, measured: Callable[[], Figures]) -> None:
        if name in self.results.lost.get(scene, {}) or (scene, name) in self._took_long:
            return
        begun = time.monotonic()
        try:
            figures = measured()
        except (Lost, Broken) as exc:
            self.results.lost.setdefault(scene, {})[name] = str(exc)
            self._tell(f"{what}: {name}: lost {exc}")
            return
        if time.monotonic() - begun > LONG_SECONDS:
            self._took_long.add((scene, name))
        self.results.add(name, figures)
        digits = {figure.key: figure.digits for figure in FIGURES}
        found = [f"{key} {number(value, digits.get(key, 0))}" for key, value in figures.items()]
        self._tell(f"{what}: {name}: {', '.join(found) or 'not tried'}")

    def _prepared(self, contender: Contender) -> bool:
        try:
            contender.prepare(self.cache)
            self.results.contenders[contender.name] = contender.about
        except Unavailable as exc:
            self._absent(contender, exc)
            return False
        return True

    def _started(self, contender: Contender) -> bool:
        """Start it, measure it fresh, and end it."""
        if ("fresh", contender.name) in self._took_long:
            return True
        try:
            with self._serving(contender) as served:
                self._kept("fresh", "fresh", contender.name, lambda: scenes.fresh(self.on, served))
        except Unavailable as exc:
            self._absent(contender, exc)
            return False
        return True

    def _up(self, stack: ExitStack, contender: Contender) -> Subject | None:
        """Start it, for as long as the stack lasts."""
        try:
            served = stack.enter_context(self._serving(contender))
            return scenes.warmed(self.on, served)
        except (Unavailable, Lost, Broken) as exc:
            self._absent(contender, exc)
            return None

    @contextmanager
    def _serving(self, contender: Contender) -> Iterator[Served]:
        upstream = self.on.upstream
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        place = Place(upstream.letta, upstream.openai, free_port(), folder, self.cache)
        with contender.serve(place) as served:
            yield served

    def _absent(self, contender: Contender, why: Exception) -> None:
        self.results.contenders.pop(contender.name, None)
        self.results.absent[contender.name] = str(why)
        self._tell(f"{contender.name} is not in this run: {why}")

    def _tell(self, what: str) -> None:
        self.say(f"{time.monotonic() - self._began:5.0f} s  {what}")


def run_or_exit(wanted: Sequence[Contender], plan: Plan) -> Results:
    """As `run`, shown as it goes on; what keeps it from its end, Ctrl-C included, is one line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that contenders are ended
    try:
        return run(wanted, plan, CACHE, said)
    except Unavailable as exc:
        sys.exit(f"benchmarks: {exc}")
    except KeyboardInterrupt:
        sys.exit("benchmarks: stopped")


def said(line: str) -> None:
    """Show it at once."""
    print(line, flush=True)


def run(
    wanted: Sequence[Contender], plan: Plan, cache: Path, say: Callable[[str], None]
) -> Results:
    """
    Measure these contenders.

    Raises:
        Unavailable: The bench's own programs cannot be built.
    """
    with bench(cache) as on, tempfile.TemporaryDirectory() as scratch:
        return Run(on, cache, Path(scratch), plan, say).through(wanted)
