"""Which event may follow which.

    (TextDelta | ReasoningDelta | ToolCallStart | ToolArgsDelta | ToolResult | Status | Ping)*
    Usage? (Finish | Error)

One ending, and it is last. No empty text. A call's id is announced once, before its
arguments and its result. The decoder guarantees this; plugins must keep it.
"""

from __future__ import annotations

import attrs

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)


class GrammarError(AssertionError):
    """An event stands where it may not."""


@attrs.define
class Grammar:
    """Reads one answer's events and raises `GrammarError` at the first one out of place."""

    _calls: set[str] = attrs.Factory(set)
    _results: set[str] = attrs.Factory(set)
    _usage: bool = False
    _ended: bool = False

    def feed(self, event: Event) -> None:
        """Read the next event."""
        if self._ended:
            raise GrammarError(f"{event!r} after the ending")
        if self._usage and not isinstance(event, Finish | Error | Ping):
            raise GrammarError(f"{event!r} after Usage")
        match event:
            case Finish() | Error():
                self._ended = True
            case Usage():
                self._usage = True
            case TextDelta(text="") | ReasoningDelta(text="", hidden=False):
                raise GrammarError(f"empty text: {event!r}")
            case ToolCallStart(call_id=call):
                self._once(call, self._calls, event)
            case ToolResult(call_id=call):
                self._announced(call, event)
                self._once(call, self._results, event)
            case ToolArgsDelta(call_id=call):
                self._announced(call, event)

    def end(self) -> None:
        """The stream has stopped: raise unless it had its ending."""
        if not self._ended:
            raise GrammarError("the stream has no Finish and no Error")

    def _announced(self, call: str, event: Event) -> None:
        if call not in self._calls:
            raise GrammarError(f"{event!r} of a call that was not announced")

    def _once(self, call: str, seen: set[str], event: Event) -> None:
        if call in seen:
            raise GrammarError(f"{event!r} twice")
        seen.add(call)
