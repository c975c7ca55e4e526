"""A pipeline of small plugins over a Letta that says what a test writes down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import attrs
import loguru

from gateway.background import Background
from gateway.call import Agent, Call, Conversation
from gateway.events import Error, Event, Finish, Ping, TextDelta, Usage
from gateway.pipeline import Pipeline, Step
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.guard import Guarded, Tally
from gateway.pipeline.reader import Shortcut
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.testing.kit import ManualClock


KEPT = Call("Milo", (), agent=Agent("agent-1", "Milo"), conversation=Conversation("conv-1"))
SCRATCH = attrs.evolve(KEPT, conversation=Conversation("conv-2", keep=False))

USAGE = Usage(3, 2)
FAILED = Error(502, "server_error", "upstream_error", "It failed.", rolled_back=True)
CANCELLED = Error(409, "invalid_request_error", "run_cancelled", "Cancelled.", rolled_back=True)

# A batch, something to wait for (or the run's cancel), or something to raise.
Said: TypeAlias = Sequence[Event] | asyncio.Event | Exception


def text(words: str, message: str = "m") -> TextDelta:
    return TextDelta(words, message)


def texts(events: Iterable[Event]) -> str:
    """All that was said."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@attrs.define
class ScriptedRun:
    """A run that says this; once cancelled it ends as Letta's do, where it would wait."""

    says: Sequence[Said]
    cancels: int = 0
    read_out: bool = False
    closed: bool = False
    past: Shortcut | None = None
    kept: bool = False
    started: asyncio.Event = attrs.field(factory=asyncio.Event)
    _cancelled: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        self.started.set()
        try:
            for said in self.says:
                if isinstance(said, Exception):
                    raise said
                if isinstance(said, asyncio.Event):
                    if await self._is_cancelled_before(said):
                        yield [CANCELLED]
                        break
                else:
                    yield said
            self.read_out = True
        finally:
            self.closed = True

    def shortcut(self) -> Shortcut | None:
        return self.past

    def keep(self) -> None:
        self.kept = True

    async def cancel(self) -> None:
        self.cancels += 1
        self._cancelled.set()

    async def _is_cancelled_before(self, event: asyncio.Event) -> bool:
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self._cancelled)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return not event.is_set()


@attrs.define
class Scripted:
    """Letta: each time it is asked, it says the next of `runs`."""

    runs: list[ScriptedRun]
    asked: list[Call] = attrs.field(factory=list)

    def ask(self, call: Call) -> ScriptedRun:
        self.asked.append(call)
        return self.runs[len(self.asked) - 1]


@attrs.define
class Lane:
    """A running pipeline; `log` is what its plugins have written down."""

    pipeline: Pipeline
    letta: Scripted
    clock: ManualClock
    background: Background
    log: list[str] = attrs.field(factory=list)

    @property
    def run(self) -> ScriptedRun:
        """The run that was asked for first."""
        return self.letta.runs[0]

    async def begin(self, call: Call = KEPT) -> Exchange:
        return await self.pipeline.begin(call, Context("r", self.clock))

    async def events(self, call: Call = KEPT) -> list[Event]:
        """All that a client gets."""
        async with await self.begin(call) as exchange:
            return [event async for batch in exchange for event in batch]

    async def rest(self) -> None:
        """Until nothing goes on in the background any more."""
        async with asyncio.timeout(5), self.background:
            pass

    async def silence(self, seconds: float) -> None:
        """The clock moves on once somebody waits for it."""
        await until(self.waited_for)
        self.clock.advance(seconds)

    def waited_for(self) -> bool:
        """Whether somebody waits for the clock."""
        return any(not timer.cancelled for timer in self.clock._timers)


@asynccontextmanager
async def lane(
    *steps: Step,
    says: Sequence[Said] | Sequence[ScriptedRun] = (),
    limit: float = 5.0,
    **settings: Any,
) -> AsyncIterator[Lane]:
    """A pipeline of `steps`, over a Letta that `says` this (or plays these runs)."""
    runs = [said for said in says if isinstance(said, ScriptedRun)]
    letta = Scripted(runs or [ScriptedRun(says)])  # type: ignore[arg-type]
    async with Background(loguru.logger, limit=limit) as background:
        pipeline = Pipeline(steps, letta, background.spawn, loguru.logger, **settings)
        yield Lane(pipeline, letta, ManualClock(), background)


@attrs.define
class Made(Plugin[NoConfig]):
    """A plugin whose turns come from a function."""

    turn: Callable[[], Turn]
    config: NoConfig = attrs.field(factory=NoConfig)

    def begin(self, context: Context) -> Turn:
        return self.turn()


def step(
    turn: Callable[[], Turn] | Plugin[Any] = Turn, id: str = "p", *, bypass: bool = False
) -> Step:
    """A plugin at its place: an instance, or what makes its turns."""
    plugin = turn if isinstance(turn, Plugin) else Made(turn)
    return Step(id, plugin, bypass)


def guarded(turn: Turn, name: str = "p", *, bypass: bool = False) -> Guarded:
    """A turn as the pipeline has it."""
    return Guarded(name, turn, bypass, Tally(), loguru.logger)


@attrs.define
class Noted(Turn):
    """Writes down what it is told."""

    log: list[str]
    name: str = "p"

    async def prepare(self, call: Call) -> Call:
        self.log.append(f"{self.name}.prepare")
        return call

    async def settle(self) -> None:
        self.log.append(f"{self.name}.settle")

    async def abandon(self) -> None:
        self.log.append(f"{self.name}.abandon")


def noted(log: list[str], name: str = "p", *, bypass: bool = False) -> Step:
    """A step that only writes down what it is told."""
    return step(lambda: Noted(log, name), name, bypass=bypass)


@attrs.define
class Holding(Turn):
    """Holds texts of one message until there are `size` of them, or for `seconds`."""

    clock: ManualClock | None = None
    seconds: float | None = None
    size: int = 1000
    _held: list[TextDelta] = attrs.field(factory=list)
    _since: float = 0.0

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Ping):
            return [event]
        if not isinstance(event, TextDelta):
            return [*self.flush(), event]
        if not self._held and self.clock is not None:
            self._since = self.clock.now()
        self._held.append(event)
        return self.flush() if len(self._held) >= self.size else ()

    def flush(self) -> Iterable[Event]:
        held, self._held = self._held, []
        return held

    def due(self) -> float | None:
        return self._since + self.seconds if self._held and self.seconds is not None else None

    def release(self) -> Iterable[Event]:
        return self.flush()


@attrs.define
class Marking(Turn):
    """Puts a mark behind each text, so that one sees who has seen it."""

    mark: str

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, TextDelta):
            return [attrs.evolve(event, text=event.text + self.mark)]
        return [event]


class Broken(Exception):
    """What plugins of these tests raise."""


@contextmanager
def logged(level: str = "WARNING") -> Any:
    """The lines that are logged meanwhile."""
    lines: list[str] = []
    handler = loguru.logger.add(lines.append, format="{level} {message}", level=level)
    try:
        yield lines
    finally:
        loguru.logger.remove(handler)


async def until(holds: Callable[[], bool]) -> None:
    """Let others run until it holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  it holds when others have run, whoever they are
            await asyncio.sleep(0)


FINISHED: Sequence[Event] = [Finish()]
