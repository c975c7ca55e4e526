"""Takes the code fence off a text that has one around it, also where it comes in pieces."""

from __future__ import annotations

import re

import attrs


FENCE = "```"
OPENING = re.compile(r"\s*```(?:[A-Za-z][A-Za-z0-9]*)?\s*")
UNDECIDED = re.compile(r"\s*(?:`{0,2}|```(?:[A-Za-z][A-Za-z0-9]*)?\s*)\Z")

# What is held at the start of a text that goes on with blanks for ever.
LONGEST_OPENING = 1000


@attrs.define
class Fences:
    """Give it the pieces; it gives what is inside. Without a fence, that is everything."""

    _held: str = ""
    _begun: bool = False
    _fenced: bool = False

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        text, self._held = self._held + piece, ""
        if not self._begun:
            if len(text) < LONGEST_OPENING and UNDECIDED.match(text):
                self._held = text
                return ""
            self._begun = True
            opening = OPENING.match(text)
            self._fenced = opening is not None
            text = text[opening.end() :] if opening else text
        if not self._fenced:
            return text
        kept = _maybe_closing(text)
        self._held = text[kept:]
        return text[:kept]

    def rest(self) -> str:
        """What is held, if it is not the end of a fence: nothing more comes."""
        held, self._held = self._held, ""
        return "" if self._fenced and held.strip() == FENCE else held


def _maybe_closing(text: str) -> int:
    """Where that begins at the text's end which may be the end of a fence."""
    bare = text.rstrip()
    ticks = len(bare) - len(bare.rstrip("`"))
    return len(bare[: len(bare) - ticks].rstrip()) if 0 < ticks <= len(FENCE) else len(bare)


def bare(text: str) -> str:
    """A whole text without the fence around it."""
    fences = Fences()
    return fences.feed(text) + fences.rest()
