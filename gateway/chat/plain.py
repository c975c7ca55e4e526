"""What a terminal may be sent of what others say."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without what a terminal would take for commands, or cannot be sent at all."""
    return "".join(filter(_prints, text))


def one_line(text: str) -> str:
    """The same, in one line."""
    return printable(" ".join(text.split()))


def _prints(c: str) -> bool:
    if "\ud800" <= c <= "\udfff":  # half a character
        return False
    return c in "\n\t" or c >= "\xa0" or " " <= c < "\x7f"
