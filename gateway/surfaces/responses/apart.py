"""A blank line between two messages of an agent's, at the end of the first of them."""

from __future__ import annotations

import attrs


@attrs.define
class Apart:
    """
    Keeps messages apart for those who print one piece of text after another.

    A message is an item of its own to others, who show the last one alone: so the blank line
    is not put before what follows. Line breaks that the next message begins with count.
    """

    _newlines: int = 0
    _lent: int = 0

    def feed(self, text: str) -> str:
        """`text` as it follows what came before."""
        if self._lent:
            body = text.lstrip("\n")
            counted = min(self._lent, len(text) - len(body))
            self._lent = 0 if body else self._lent - counted
            text = text[counted:]
        if text:
            body = text.rstrip("\n")
            self._newlines = len(text) - len(body) + (0 if body else self._newlines)
        return text

    def end(self) -> str:
        """What is missing to a blank line at the end of a message that another may follow."""
        missing = max(0, 2 - self._newlines)
        self._lent += missing  # where nothing was said since the last one, that counts still
        self._newlines += missing
        return "\n" * missing
