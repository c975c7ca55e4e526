r"""Puts line breaks back where a literal `\n` came in their place.

Two things make such a text. Older agent types speak through the argument of a tool, and
their token streams are the inside of a JSON string. And some models escape twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import attrs

from gateway.events import PIECES, Event, Ping, ReasoningDelta, TextDelta
from gateway.plugin import Call, Clock, Context, Plugin, Services, Turn
from plugins.newlines.mend import Mender, Verdict
from plugins.newlines.unescape import Unescape


Delta: TypeAlias = TextDelta | ReasoningDelta

# What only passes: while something is held, where each text is escaped, and else.
WHILE_HELD = frozenset({Ping})
WHERE_ESCAPED = PIECES - {TextDelta, ReasoningDelta}
ELSE = PIECES - {TextDelta}


@attrs.frozen
class Config:
    """Settings of `newline_reconstructor`."""

    repair: Literal["auto", "always", "never"] = attrs.field(
        default="auto",
        metadata={
            "help": "auto: what is known or proven to be escaped; always: every text;"
            " never: pass all on"
        },
    )
    hold_ms: int = attrs.field(
        default=100,
        validator=[attrs.validators.ge(0), attrs.validators.le(1000)],
        metadata={"help": "the longest that an undecided piece of text may be held, in ms"},
    )


@attrs.define
class Counts:
    """What has happened in this process, over all requests."""

    held: int = 0
    """Pieces of text that had to wait for what came next."""
    repaired: int = 0
    """Escapes that were undone."""
    let_go: int = 0
    """Pieces that waited for too long and went out as they were."""


class NewlineReconstructor(Plugin[Config]):
    r"""Puts line breaks back where a literal `\n` came in their place; code is left alone."""

    essential = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.counts = Counts()
        self.verdict: Verdict = "sure" if config.repair == "always" else "unknown"

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        yield
        if self.counts != Counts():
            services.logger.info("line breaks: {}", self.counts)

    def begin(self, context: Context) -> Turn:
        return Turn() if self.config.repair == "never" else Repair(self, context.clock)


@attrs.define
class Repair(Turn):
    """The texts of one answer, one after the other."""

    plugin: NewlineReconstructor
    clock: Clock
    _exact: bool = False
    _kind: type[Delta] = TextDelta
    _message: str | None = None
    _reader: Unescape | Mender = attrs.Factory(Unescape)
    _due: float | None = None

    async def prepare(self, call: Call) -> Call:
        self._exact = call.escaped
        self.passes = self._passing()
        return call

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case TextDelta():
                return self._read(event)
            case Ping():
                return (event,)
            case ReasoningDelta(hidden=False) if self._exact:
                return self._read(event)
        return (*self.flush(), event) if self._reader.held else (event,)

    def flush(self) -> Iterable[Event]:
        undone = self._reader.undone
        return self._let_out(self._reader.end(), undone)

    def due(self) -> float | None:
        return self._due

    def release(self) -> Iterable[Event]:
        undone = self._reader.undone
        self.plugin.counts.let_go += bool(self._reader.held)
        return self._let_out(self._reader.let_go(), undone)

    def _read(self, event: Delta) -> Iterable[Event]:
        before: Iterable[Event] = ()
        if event.message != self._message or type(event) is not self._kind:
            before = self.flush()
            self._kind, self._message = type(event), event.message
            self._reader = Unescape() if self._exact else Mender(self.plugin.verdict)
        reader = self._reader
        waited, undone = reader.held, reader.undone
        text = reader.feed(event.text)
        if waited or reader.held:
            self.passes = self._passing()
        if not reader.held:
            self._due = None
            if text is event.text:  # as nearly always
                return (*before, event)
        elif text or not waited:
            self._due = self.clock.now() + self.plugin.config.hold_ms / 1000
            self.plugin.counts.held += 1
        self.plugin.counts.repaired += reader.undone - undone
        if text == event.text:
            return (*before, event)
        return (*before, attrs.evolve(event, text=text)) if text else before

    def _passing(self) -> frozenset[type[Event]]:
        """What is no part of the texts, and does not end one of which something is held."""
        if self._reader.held:
            return WHILE_HELD
        return WHERE_ESCAPED if self._exact else ELSE

    def _let_out(self, text: str, undone: int) -> Iterable[Event]:
        self._due = None
        self.passes = self._passing()
        self.plugin.counts.repaired += self._reader.undone - undone
        return (self._kind(text, self._message),) if self._message is not None and text else ()
