"""Repair a message that a model has escaped twice, from the point on where that is proven."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import attrs

from plugins.newlines.code_spans import CodeSpans
from plugins.newlines.evidence import (
    PROOF,
    START,
    TAIL,
    Seam,
    clip,
    quote_points,
    unicode_points,
)
from plugins.newlines.latex_commands import is_command, may_be_formula
from plugins.newlines.unescape import Escape, read_escape


Verdict: TypeAlias = Literal["unknown", "escaped", "plain", "sure"]

_LINE_ENDS = frozenset(["\n", "\r\n"])
# JSON can write these, but a text that is meant to be read has none of them.
_UNUSED = frozenset(["\b", "\f", "\r", "/"])
# So many characters without a backslash may wait until they are looked at.
_UNREAD = 512
# After a backslash that time has torn off, a quote is the rest of an escape.
_QUOTE = re.compile(r'(?<!\\)"')


@attrs.define
class Mender:
    """
    One message, fed in pieces cut anywhere.

    Nothing is changed while the verdict is "unknown", and nothing in code ever. A real line
    break makes it "plain" for good. Begun with the verdict "sure", it needs no proof and
    nothing changes its mind.

    `held` is what cannot be decided yet, 16 bytes at most. `undone` counts escapes.
    """

    verdict: Verdict = "unknown"
    held: str = ""
    undone: int = 0
    # Text that has gone out and matters only if an escape follows: most messages have none.
    _unread: str = ""
    _code: CodeSpans = attrs.Factory(CodeSpans)
    # The last bytes of the text, in UTF-8: their number is bounded, whatever they are.
    _tail: bytes = START
    # Whether the line begins with "#"; None at its beginning.
    _heading: bool | None = None
    _points: int = 0
    _quoted: bool = False
    # Escaped by JSON's own rules (strict), or only its line breaks (loose)?
    _loose: bool = False

    def feed(self, text: str) -> str:
        """Take the next piece; give what is decided."""
        if self.verdict == "plain":
            return text
        if self.held or "\\" in text:
            return self._read(text, whole=False)
        if "\n" in text and self.verdict != "sure":
            self.verdict, self._unread = "plain", ""
            return text
        self._unread += text
        if len(self._unread) > _UNREAD:
            self._catch_up()
        return text

    def end(self) -> str:
        """Nothing follows: decide on what is held."""
        return self._read("", whole=True)

    def let_go(self) -> str:
        """Give what is held, and conclude nothing from it."""
        return self._read("", whole=True, blind=True)

    def _catch_up(self) -> None:
        text, self._unread = self._unread, ""
        if text:
            self._plain(text)

    def _read(self, text: str, *, whole: bool, blind: bool = False) -> str:
        self._catch_up()
        text, self.held = self.held + text, ""
        parts: list[str] = []
        at = 0
        while at < len(text):
            slash = text.find("\\", at)
            end = len(text) if slash < 0 else slash
            if at < end:
                self._plain(text[at:end])
                parts.append(text[at:end])
            if self.verdict == "plain":
                parts.append(text[end:])
                break
            at = end
            if at == slash:
                at = self._at_escape(text, at, parts, whole, blind)
        return "".join(parts)

    def _plain(self, text: str) -> None:
        if "\n" in text and self.verdict != "sure":
            self.verdict = "plain"
            return
        for number, line in enumerate(text.split("\n")):
            if number:
                self._real_line_end()
            self._see_quotes(line)
            self._begin(line)
            self._code.feed(line)
            self._remember(line)

    def _real_line_end(self) -> None:
        self._code.line()
        if self._tail.rstrip(b" \t").endswith(b"\n"):
            self._code.paragraph()
        self._heading = None
        self._loose = True
        self._remember("\n")

    def _see_quotes(self, text: str) -> None:
        self._loose = self._loose or "\t" in text
        seen = chr(self._tail[-1]) + text
        for found in _QUOTE.finditer(seen, 1):
            self._loose = True
            # 5" is a length.
            self._quoted = not self._quoted and not seen[found.start() - 1].isdecimal()

    def _at_escape(self, text: str, at: int, parts: list[str], whole: bool, blind: bool) -> int:
        window = clip(text, at)
        whole = whole or len(window) < len(text) - at
        escape = _read(window, whole)
        undo = None if escape is None else self._judge(escape, window, whole, blind)
        if escape is None or undo is None:
            self.held = text[at:]
            return len(text)
        end = at + escape.length
        if escape.value is None and text[end : end + 1] == "`" and not self._code.inside:
            end += 1
        self._passed(text[at:end], escape, undo)
        parts.append(escape.value if undo and escape.value else text[at:end])
        return end

    def _judge(self, escape: Escape, window: str, whole: bool, blind: bool) -> bool | None:
        """Whether to undo the escape; None when that needs more of what follows."""
        line = escape.value in _LINE_ENDS
        if self._code.line_end_inside if line else self._code.inside:
            return False
        if escape.value is None or escape.value in _UNUSED:
            self._loose = self._loose or not blind
            return False
        command = self._is_command(window, whole)
        if command is not False:
            return None if command is None else False
        if self._known() and not self._loose:
            return True
        if blind and self.verdict == "unknown":
            return False
        after = window[escape.length :]
        if line:
            return self._judge_line_end(after, whole)
        return self._judge_character(escape, after, whole)

    def _is_command(self, window: str, whole: bool) -> bool | None:
        # In a proven message only where a formula may be: to look further takes time.
        if self._known() and not may_be_formula(self._before()):
            return False
        return is_command(window, whole=whole)

    def _judge_line_end(self, after: str, whole: bool) -> bool | None:
        seam = Seam(self._before(), after, whole, self._quoted, bool(self._heading))
        points = seam.points()
        if points is None:
            return None
        return points >= 0 if self._known() else self._proven(points)

    def _judge_character(self, escape: Escape, after: str, whole: bool) -> bool | None:
        if self._loose:
            return False
        points: int | None = 0
        if escape.value == '"':
            points = quote_points(self._before(), after, whole=whole)
        elif escape.value and escape.length > 2:
            points = unicode_points(self._before(), escape.value, after, whole=whole)
        return None if points is None else self._proven(points)

    def _proven(self, points: int) -> bool:
        self._points += points
        if self._points >= PROOF:
            self.verdict = "escaped"
        return self._known()

    def _known(self) -> bool:
        return self.verdict in {"escaped", "sure"}

    def _passed(self, raw: str, escape: Escape, undone: bool) -> None:
        """Keep track of where we are, now that the escape is behind us."""
        self.undone += undone
        if escape.value in _LINE_ENDS:
            self._code.line()
            self._remember("\n" if undone else raw)
            self._heading = None
            return
        # A tick behind a backslash begins no code.
        self._code.feed(raw.replace("`", ""))
        self._begin(raw)
        self._remember(raw)

    def _begin(self, text: str) -> None:
        if self._heading is None and text:
            self._heading = text[0] == "#"

    def _remember(self, text: str) -> None:
        self._tail = (self._tail + text[-TAIL:].encode("utf-8", "surrogatepass"))[-TAIL:]

    def _before(self) -> str:
        return self._tail.decode("utf-8", "replace")


def _read(window: str, whole: bool) -> Escape | None:
    escape = read_escape(window, 0, final=whole)
    if escape is None or escape.value != "\r":
        return escape
    if window[2:4] == "\\n":
        return Escape(4, "\r\n")
    return None if window[2:] in {"", "\\"} and not whole else escape
