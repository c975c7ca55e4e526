"""Whether what a plugin gives may follow what it has given: `gateway.grammar`, at each plugin.

Text is nearly all there is, and can only be empty or too late: whoever asks looks for that
first (`strict`), and comes here with everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import attrs

from gateway.events import ENDINGS, EVENTS, Event, Ping, ReasoningDelta, TextDelta, Usage
from gateway.grammar import Grammar, GrammarError


# What a turn is flushed before.
LAST = frozenset((Usage, *ENDINGS))

TEXTS = (TextDelta, ReasoningDelta)


@attrs.define
class Order:
    """
    What one plugin has given of an answer.

    `strict` says that text, too, has to be admitted; `ended`, that nothing can be any more.
    """

    strict: bool = attrs.field(init=False, default=False)
    ended: bool = attrs.field(init=False, default=False)
    _grammar: Grammar | None = attrs.field(init=False, default=None)
    _usage: Usage | None = attrs.field(init=False, default=None)

    def admit(self, event: Event, out: list[Event], *, at_end: bool) -> None:
        """
        Put the event behind `out`. Usage waits for what follows it unless this is the end.

        Raises:
            TypeError: It is no event.
            GrammarError: It stands where it may not; the words hold nothing that was said.
        """
        if type(event) not in EVENTS:
            raise TypeError(f"it gave {type(event).__name__} and not an event")
        if isinstance(event, Usage) and not at_end:
            self.whole()
            self._usage, self.strict = event, True
            return
        if self._usage is not None:
            if not isinstance(event, ENDINGS):
                self.whole()
            usage, self._usage = self._usage, None
            self._feed(usage)
            out.append(usage)
        self._feed(event)
        out.append(event)

    def whole(self) -> None:
        """
        Nothing follows for now.

        Raises:
            GrammarError: Usage waits for an ending; it is forgotten.
        """
        if self._usage is not None:
            self._usage, self.strict = None, False
            raise GrammarError("Usage before the end")

    def past(self, events: Iterable[Event]) -> list[Event]:
        """Those of them that still have a place, past a plugin that has failed."""
        out: list[Event] = []
        for event in events:
            with suppress(GrammarError):
                self._feed(event)
                out.append(event)
        return out

    def _feed(self, event: Event) -> None:
        if self._grammar is None:  # most plugins give nothing but text and pings until the end
            if type(event) is Ping:
                return
            self._grammar = Grammar()
        try:
            self._grammar.feed(event)
        except GrammarError as exc:
            why = str(exc).replace(repr(event), type(event).__name__)
            raise GrammarError(why) from None
        if type(event) in LAST:
            self.strict = True
            self.ended = isinstance(event, ENDINGS)
