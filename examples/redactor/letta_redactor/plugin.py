"""No answer tells a key or a token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
from attrs.validators import deep_iterable, gt, matches_re, min_len

from gateway.events import Event, Ping, ReasoningDelta, Status, TextDelta
from gateway.plugin import Clock, Context, Plugin, Turn
from letta_redactor.scanner import Scanner


PREFIXES = ("sk-", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA")


@attrs.frozen
class Config:
    """Settings of `redactor`."""

    prefixes: list[str] = attrs.field(
        factory=lambda: list(PREFIXES),
        validator=[min_len(1), deep_iterable(matches_re(r"[A-Za-z0-9_-]+"))],
        metadata={"help": "what secrets begin with"},
    )
    shortest: int = attrs.field(
        default=16,
        validator=gt(0),
        metadata={"help": "letters, digits, _ and - that follow at least"},
    )
    mask: str = attrs.field(
        default="[redacted]",
        validator=min_len(1),
        metadata={"help": "what stands instead of a secret"},
    )
    hold_ms: float = attrs.field(
        default=150.0,
        validator=gt(0),
        metadata={"help": "longest time for which the first letters of a word are held"},
    )


class Redactor(Plugin[Config]):
    """Masks keys and tokens in what the agent says and thinks."""

    def begin(self, context: Context) -> Turn:
        config = self.config
        scanner = Scanner(config.prefixes, config.shortest, config.mask)
        return RedactorTurn(scanner, context.clock, config.hold_ms / 1000)


@attrs.define
class RedactorTurn(Turn):
    """One answer. What is held belongs to `_last`: one message's text, or its reasoning."""

    scanner: Scanner
    clock: Clock
    hold: float
    _last: TextDelta | ReasoningDelta | None = None
    _due: float | None = None

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Ping | Status):  # they say nothing of what is held
            return (event,)
        if not isinstance(event, TextDelta | ReasoningDelta):
            return (*self.flush(), event)
        if isinstance(event, ReasoningDelta) and event.hidden:
            return (*self.flush(), event)
        before = () if self._goes_on(event) else self.flush()
        self._last = event
        out = self._said(self.scanner.feed(event.text))
        self._wait()
        return (*before, *out)

    def flush(self) -> Sequence[Event]:
        out = self._said(self.scanner.end())
        self._wait()
        return out

    def due(self) -> float | None:
        return self._due

    def release(self) -> Iterable[Event]:
        self._due = None
        return self._said(self.scanner.release())

    def _goes_on(self, event: TextDelta | ReasoningDelta) -> bool:
        last = self._last
        return type(last) is type(event) and last is not None and last.message == event.message

    def _said(self, text: str) -> Sequence[Event]:
        return (attrs.evolve(self._last, text=text),) if text and self._last else ()

    def _wait(self) -> None:
        """What is held has been held since it began to be."""
        if not self.scanner.holding:
            self._due = None
        elif self._due is None:
            self._due = self.clock.now() + self.hold
