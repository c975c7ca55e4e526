"""Know at any point of a markdown text, fed in pieces, whether it is inside code."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import attrs


Place: TypeAlias = Literal["text", "inline", "info", "block", "closed"]

_PIECES = re.compile(r"`+|~+|[^`~]+")
_FENCE = 3


@attrs.define
class CodeSpans:
    """
    Fenced blocks and inline code, as CommonMark has them, found without looking ahead.

    A run of backticks that is never closed counts as code to the end: what may still
    become code is left alone. Line ends do not come in the text but by `line`.

    Places: "info" is the first line of a fenced "block"; "closed" is behind the fence that
    ends one, where only the end of the line may follow.
    """

    _place: Place = "text"
    _mark: str = ""
    _size: int = 0
    _run: str = ""
    _count: int = 0
    _fresh: bool = True

    def feed(self, text: str) -> None:
        """Take the next piece of a line."""
        for piece in _PIECES.findall(text):
            if piece[0] == self._run:
                self._count += len(piece)
                continue
            self._settle()
            if piece[0] in "`~":
                self._run, self._count = piece[0], len(piece)
            elif piece.strip(" \t>"):
                self._goes_on()

    @property
    def inside(self) -> bool:
        """Whether what comes next, if it is no line end, is code."""
        self._settle()
        return self._place != "text"

    @property
    def line_end_inside(self) -> bool:
        """Whether a line end that comes next is code: the one after a closing fence is not."""
        return self.inside and self._place != "closed"

    def line(self) -> None:
        """The line ends."""
        self._settle()
        if self._place == "closed":
            self._place = "text"
        elif self._place == "info":
            self._place = "block"
        self._fresh = True

    def paragraph(self) -> None:
        """A blank line: inline code does not go beyond it."""
        if self._place == "inline":
            self._place = "text"

    def _goes_on(self) -> None:
        self._fresh = False
        if self._place == "closed":
            self._place = "block"

    def _settle(self) -> None:
        """The run of ticks is over: it opens, closes or does neither."""
        run, self._run = self._run, ""
        if not run:
            return
        fresh = self._fresh
        self._goes_on()
        if self._place == "text":
            self._open(run, fresh)
        elif run == self._mark:
            self._close(fresh)

    def _open(self, run: str, fresh: bool) -> None:
        block = fresh and self._count >= _FENCE
        if block or run == "`":
            self._place = "info" if block else "inline"
            self._mark, self._size = run, self._count

    def _close(self, fresh: bool) -> None:
        # A line that begins with ``` and has another ``` is not a fence but inline code.
        inline = self._place == "inline" or (self._place == "info" and self._mark == "`")
        if inline and self._count == self._size:
            self._place = "text"
        elif self._place == "block" and fresh and self._count >= self._size:
            self._place = "closed"
