"""For tests of plugins: run events through one, and prove that cutting does not matter.

Where Letta cuts a text means nothing, so a plugin must give the same whatever the cut:
`assert_split_invariant` tries them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, cast

import attrs
import loguru

from gateway.background import Background
from gateway.call import Call
from gateway.events import Error, Event, Finish, ReasoningDelta, TextDelta, ToolArgsDelta, Usage
from gateway.grammar import Grammar
from gateway.plugin import Plugin, Turn
from gateway.services import Caller, Context, Letta, Services, Store
from gateway.store.memory import MemoryStore


# Texts up to this length are cut at every place; of longer ones, some cuts are drawn.
EVERY_CUT = 60
DRAWN_CUTS = 40


@attrs.define
class ManualClock:
    """A clock that stands still until `advance` moves it."""

    _now: float = 1000.0
    _timers: list[Timer] = attrs.field(factory=list)

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        timer = Timer(when, callback)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Move on, and call back whoever is due, in the order of their times."""
        self._now += seconds
        due = [timer for timer in self._timers if timer.when <= self._now]
        self._timers = [timer for timer in self._timers if timer.when > self._now]
        for timer in sorted(due, key=lambda timer: timer.when):
            if not timer.cancelled:
                timer.callback()


@attrs.define
class Timer:
    """A scheduled callback."""

    when: float
    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


def context(clock: ManualClock | None = None, *, caller: Caller | None = None) -> Context:
    """A context for `Plugin.begin`. Who asks is nobody in particular, unless a `caller` is."""
    return Context("test", clock or ManualClock(), caller or Caller())


async def run(
    plugin: Plugin[Any],
    events: Iterable[Event],
    call: Call | None = None,
    *,
    context: Context | None = None,
    prepared: Callable[[Call], object] | None = None,
) -> list[Event]:
    """
    One request: prepare, wrap, feed and flush, then settle (after `Finish`) or abandon
    (after `Error`). A plugin with a `lifespan` has to be `started` before.

    `prepared` is told what `prepare` makes of the call: `prepared=calls.append`, for example.
    """
    where = context or Context("test", ManualClock())
    turn = plugin.begin(where)
    made = await turn.prepare(call or Call("agent", ()))
    if prepared is not None:
        prepared(made)
    flow = plugin.wrap(_flow(events), where)
    out = fed(turn, [event async for event in flow])
    match out[-1] if out else None:
        case Finish():
            await turn.settle()
        case Error():
            await turn.abandon()
    return out


@asynccontextmanager
async def started(
    plugin: Plugin[Any],
    *,
    store: Store | None = None,
    letta: Letta | None = None,
    clock: ManualClock | None = None,
) -> AsyncIterator[Services]:
    """
    Enter the plugin's `lifespan`, as the start of a gateway does, and leave it at the end.

    Without a `store` there is an empty one in memory. Without a `letta` there is none: a test
    that needs one is better off with the fixture `gateway_with`.
    """
    async with Background(loguru.logger) as background:
        services = Services(
            letta=letta or cast("Letta", _NoLetta()),
            store=store or MemoryStore(),
            clock=clock or ManualClock(),
            logger=loguru.logger,
            spawn=background.spawn,
        )
        async with plugin.lifespan(services):
            yield services


class _NoLetta:
    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"the plugin uses services.letta.{name}: give started() a letta")


async def _flow(events: Iterable[Event]) -> AsyncGenerator[Event, None]:
    for event in events:
        yield event


def fed(turn: Turn, events: Iterable[Event]) -> list[Event]:
    """
    What a prepared turn makes of `events`; it is flushed before usage or the ending.

    No event comes by an idle one. Of what it `passes` it has to give back each as it is.
    """
    if turn.idle:
        return list(events)
    out: list[Event] = []
    flushed = False
    for event in events:
        if isinstance(event, Usage | Finish | Error) and not flushed:
            out += turn.flush()
            flushed = True
        out += _fed(turn, event)
    return out if flushed else [*out, *turn.flush()]


def _fed(turn: Turn, event: Event) -> Sequence[Event]:
    passes, out = type(event) in turn.passes, list(turn.feed(event))
    if passes and out != [event]:
        kind = type(event).__name__
        raise AssertionError(f"the turn's `passes` names {kind}, but feed() gives {out}")
    return out


def merged(events: Iterable[Event]) -> list[Event]:
    """Neighbouring deltas of one message or call joined, so that cuts do not show."""
    out: list[Event] = []
    for event in events:
        match out[-1] if out else None, event:
            case TextDelta(text, message), TextDelta(more, same) if same == message:
                out[-1] = TextDelta(text + more, message)
            case ReasoningDelta(text, message, hidden), ReasoningDelta(more, same, too) if (
                same,
                too,
            ) == (message, hidden):
                out[-1] = ReasoningDelta(text + more, message, hidden)
            case ToolArgsDelta(call, json), ToolArgsDelta(same, more) if same == call:
                out[-1] = ToolArgsDelta(call, json + more)
            case _:
                out.append(event)
    return out


def splittings(events: Sequence[Event], *, seed: int = 0) -> Iterator[list[Event]]:
    """
    The same events with their texts cut otherwise: each character alone, every single cut
    of short texts, and some drawn cuts of long ones (the same for the same `seed`).
    """
    yield [part for event in events for part in _cut(event, range(1, _length(event)))]
    draw = random.Random(seed)  # noqa: S311  the same cuts each time
    for i, event in enumerate(events):
        places: Iterable[int] = range(1, _length(event))
        if _length(event) > EVERY_CUT:
            places = sorted(draw.sample(range(1, _length(event)), DRAWN_CUTS))
        for place in places:
            yield [*events[:i], *_cut(event, [place]), *events[i + 1 :]]


async def assert_split_invariant(
    make: Callable[[], Plugin[Any]], events: Sequence[Event], call: Call | None = None
) -> None:
    """The plugin gives the same for every cut of `events`; `make` makes a fresh one."""
    whole = merged(await run(make(), events, call))
    for cut in splittings(list(events)):
        parts = merged(await run(make(), cut, call))
        assert parts == whole, f"differs when cut as {cut}"  # noqa: S101  it is for tests


def assert_grammar(events: Iterable[Event]) -> None:
    """The events obey `gateway.grammar`."""
    grammar = Grammar()
    for event in events:
        grammar.feed(event)
    grammar.end()


def _length(event: Event) -> int:
    match event:
        case TextDelta(text) | ReasoningDelta(text) | ToolArgsDelta(_, text):
            return len(text)
    return 0


def _cut(event: Event, places: Iterable[int]) -> list[Event]:
    field = "json" if isinstance(event, ToolArgsDelta) else "text"
    length = _length(event)
    bounds = [0, *(place for place in places if place < length), length]
    if len(bounds) == 2:
        return [event]
    text = getattr(event, field)
    return [attrs.evolve(event, **{field: text[a:b]}) for a, b in itertools.pairwise(bounds)]
