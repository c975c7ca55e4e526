"""Undo the escapes of a JSON string, whose text comes in pieces cut anywhere."""

from __future__ import annotations

import re

import attrs


_PLAIN = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_HEX = re.compile(r"[0-9a-fA-F]{0,4}")
_LOST = "\ufffd"

# The inside of a JSON string has neither, so a text with one of them is not escaped.
_FOREIGN = re.compile(r'["\x00-\x1f]')


@attrs.frozen
class Escape:
    """
    What stands at a backslash: how many characters, and what they mean.

    `value` is None where the backslash begins no escape of JSON; `length` is then 1.
    """

    length: int
    value: str | None


NO_ESCAPE = Escape(1, None)


def read_escape(text: str, start: int, *, final: bool = False) -> Escape | None:
    """
    Read the escape at the backslash `text[start]`.

    Args:
        final: Nothing follows `text`.

    Returns:
        None when the rest of it is still to come.
    """
    kind = text[start + 1 : start + 2]
    if kind == "u":
        return _read_unicode(text, start, final)
    if kind:
        value = _PLAIN.get(kind)
        return NO_ESCAPE if value is None else Escape(2, value)
    return NO_ESCAPE if final else None


def _read_unicode(text: str, start: int, final: bool) -> Escape | None:
    code = _code_unit(text, start)
    if code is None:
        return None if _may_grow(text, start, final) else NO_ESCAPE
    if 0xD800 <= code < 0xDC00:
        low = _code_unit(text, start + 6)
        if low is not None and 0xDC00 <= low < 0xE000:
            return Escape(12, chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)))
        if low is None and _may_grow(text, start + 6, final):
            return None
    return Escape(6, _LOST if 0xD800 <= code < 0xE000 else chr(code))


def _code_unit(text: str, start: int) -> int | None:
    digits = text[start + 2 : start + 6]
    if text[start : start + 2] == "\\u" and len(digits) == 4 and _HEX.fullmatch(digits):
        return int(digits, 16)
    return None


def _may_grow(text: str, start: int, final: bool) -> bool:
    """Whether `text` ends within what may become a `\\uXXXX` at `start`."""
    rest = text[start:]
    begun = "\\u".startswith(rest[:2]) and _HEX.fullmatch(rest[2:]) is not None
    return begun and len(rest) < 6 and not final


@attrs.define
class Unescape:
    """
    One string on its way out of JSON. Lone surrogates become U+FFFD.

    `held` is the beginning of an escape, 11 characters at most. `undone` counts escapes.
    A text that cannot be the inside of a JSON string is left alone from there on.
    """

    held: str = ""
    undone: int = 0
    _foreign: bool = False
    _torn: bool = False

    def feed(self, text: str) -> str:
        """Take the next piece; give what is certain."""
        return self._read(text, final=False)

    def end(self) -> str:
        """Nothing follows: a whole escape that was held is undone, a begun one stays."""
        return self._read("", final=True)

    def let_go(self) -> str:
        """Give what is held as it is."""
        text, self.held = self.held, ""
        self._torn = bool(text)
        return text

    def _read(self, text: str, *, final: bool) -> str:
        text, self.held = self.held + text, ""
        parts: list[str] = []
        at = 0
        while at < len(text):
            if self._foreign:
                parts.append(text[at:])
                break
            slash = text.find("\\", at)
            end = len(text) if slash < 0 else slash
            at = self._plain(text, at, end, parts)
            if at == slash:
                at = self._escape(text, at, final, parts)
        return "".join(parts)

    def _plain(self, text: str, start: int, end: int, parts: list[str]) -> int:
        if start < end:
            begin = start + 1 if self._torn else start
            self._torn = False
            if found := _FOREIGN.search(text, begin, end):
                self._foreign = True
                end = found.start()
            parts.append(text[start:end])
        return end

    def _escape(self, text: str, start: int, final: bool, parts: list[str]) -> int:
        escape = read_escape(text, start, final=final)
        if escape is None:
            self.held = text[start:]
            return len(text)
        self._torn = False
        end = start + escape.length
        if escape.value is None:
            parts.append(text[start:end])
        else:
            parts.append(escape.value)
            self.undone += 1
        return end
