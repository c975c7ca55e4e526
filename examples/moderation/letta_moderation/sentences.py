"""An answer's text in whole sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from gateway.events import Event, Ping, Status, TextDelta


# All up to where a sentence is over: behind its last sign and the space there, or a line.
_OVER = re.compile(r".*(?:[.!?…。！？][\"'”’)\]]*\s+|\n)", re.DOTALL)


@attrs.define
class Sentences:
    """Puts the text of one answer together; all else passes when what came before is out."""

    longest: int
    _held: str = ""
    _message: str = ""

    def feed(self, event: Event) -> Iterable[Event]:
        """The next event; what goes on has whole sentences, or `longest` characters."""
        if isinstance(event, Ping | Status):
            return (event,)
        if not isinstance(event, TextDelta):
            return (*self._let_go(len(self._held)), event)
        before = () if event.message == self._message else self._let_go(len(self._held))
        self._message = event.message
        self._held += event.text
        over = _OVER.match(self._held)
        at = over.end() if over else 0
        return (*before, *self._let_go(len(self._held) if self._is_long(at) else at))

    def _is_long(self, at: int) -> bool:
        return len(self._held) - at >= self.longest

    def _let_go(self, at: int) -> Sequence[Event]:
        ready, self._held = self._held[:at], self._held[at:]
        return (TextDelta(ready, self._message),) if ready else ()
