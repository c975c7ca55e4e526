"""Finds the first of several texts in a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.define
class Finder:
    """
    Give it the pieces; it gives what can be shown. `found` once one of `stops` is complete.

    What may be the beginning of one is held. Of two that overlap, the one counts that is
    complete first: a model that knew them would have stopped there.
    """

    stops: Sequence[str]
    found: bool = attrs.field(init=False, default=False)
    _held: str = attrs.field(init=False, default="")

    def feed(self, piece: str) -> str:
        """What can be shown now, up to where the first of them begins."""
        text = self._held + piece
        ends = [(at + len(stop), at) for stop in self.stops if (at := text.find(stop)) >= 0]
        if ends:
            self.found, self._held = True, ""
            return text[: min(ends)[1]]
        kept = max((_begun(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def rest(self) -> str:
        """What is held: nothing more comes."""
        held, self._held = self._held, ""
        return held


def _begun(text: str, stop: str) -> int:
    """How much of a stop's beginning stands at the text's end."""
    last = stop[0]
    at = text.find(last, max(0, len(text) - len(stop) + 1))
    while at >= 0:
        if stop.startswith(text[at:]):
            return len(text) - at
        at = text.find(last, at + 1)
    return 0
