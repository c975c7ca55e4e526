"""What a person sees of an answer."""

from __future__ import annotations

from typing import TextIO

import attrs
from rich.console import Console

from gateway.chat.client import Piece
from gateway.chat.plain import printable


STYLES = {"text": "", "reasoning": "dim", "note": "yellow"}


@attrs.define
class Screen:
    """
    Prints an answer piece by piece: on a terminal all of it, reasoning dimmed; else its text.
    """

    console: Console
    _kind: str = attrs.field(init=False, default="")

    @classmethod
    def on(cls, file: TextIO) -> Screen:
        """A screen that prints there."""
        return cls(Console(file=file, highlight=False, soft_wrap=True, emoji=False, markup=False))

    @property
    def for_people(self) -> bool:
        """Whether somebody watches."""
        return self.console.is_terminal

    def show(self, piece: Piece) -> None:
        """Some more of the answer. What is not its text has paragraphs of its own."""
        if piece.kind != "text" and not self.for_people:
            return
        if self._kind and self._kind != piece.kind:
            self.console.print("\n")
        self._kind = piece.kind
        self.console.print(printable(piece.text), end="", style=STYLES[piece.kind])

    def end(self) -> None:
        """The answer is over."""
        if self._kind:
            self.console.print()
        self._kind = ""

    def note(self, text: str) -> None:
        """A line that is no part of an answer."""
        self.end()
        self.console.print(printable(text), style=STYLES["note"])
