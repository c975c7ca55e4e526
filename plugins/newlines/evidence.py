r"""Tell from its surroundings what a literal `\n` is: an escaped line break, or two letters.

People write about escapes, and paths, regexes and LaTeX have backslashes of their own. So
nothing is concluded from the escape alone, only from what stands on both sides of it:
`|\n|` is the seam of two table rows, `on \n or` is not a seam of anything.
"""

from __future__ import annotations

import re
import unicodedata

import attrs


# How many bytes from the backslash on may be looked at: they have to be held.
WINDOW = 16
# How many bytes before it are remembered.
TAIL = 48
# A message begins as if a line had ended before it.
START = b"\n"
# At so many points a message counts as escaped.
PROOF = 3
AGAINST = -PROOF

# What a single line break proves, and what a blank line does, by what is on its two sides:
# "sentence" and "block" is a full stop before a list item. Nobody's path, regex or command
# goes on in a "script" without capitals, such as Chinese.
_POINTS = {
    # block script title upper digit open indent spaced prose lower end
    "start": "33 33 33 23 02 12 00 00 00 00 00",
    "heading": "33 33 33 33 33 33 33 23 33 33 00",
    "sentence": "33 33 33 33 33 33 33 23 33 13 33",
    "colon": "33 33 33 33 33 33 33 23 33 13 00",
    "closer": "33 33 33 23 23 33 33 03 33 12 12",
    "pipe": "33 03 03 03 03 03 00 00 00 00 00",
    "prose": "33 33 23 23 23 23 33 00 13 02 01",
    "word": "33 33 23 23 23 13 33 00 13 01 01",
    "space": "03 23 23 13 12 12 00 00 00 00 00",
    "path": "33 03 03 03 00 00 00 00 00 00 00",
    "seam": "00 00 00 00 00 00 00 00 00 00 00",
}
_RIGHTS = (
    *("block", "script", "title", "upper", "digit", "open"),
    *("indent", "spaced", "prose", "lower", "end"),
)

_BREAK = re.compile(r"(?:\\r)?\\n")
# What a line of markdown begins with: list, heading, quotation, table, fence, image, rule.
_BLOCK = re.compile(
    r"[ \t]{0,8}(?:[-*•] {1,4}\S|#{1,6} \S|> ?\S|\(?(?:\d{1,3}|[A-Za-z])[.)\-] {1,3}\S"
    r"|\|[ :\-\w*`]|```|~~~|\*\*\S|!\[|(?:---|\*\*\*|___)\\)"
)
_INDENT = re.compile(r""" {2,}[^\s'")}\]]|(?:\\t)+[^\\]""")
_SPACED = re.compile(r" [^\W\da-z_]")
_WORD = re.compile(r"[^\W\d_]+")
_WORD_ENDS = re.compile(r"[ ,.:!?']|\\[nr]|$")
# Few English words and names begin with n and a consonant: `\nparts` is not `nparts`.
_PROSE = re.compile(r"(?:[b-df-hj-np-tv-xz][a-z]*|[^\W\d_a-z].*)(?:[ ,;:!?)]|\. |\.$)")
# What may become one of these when more comes.
_BEGUN = re.compile(
    r"""\\(?:r\\?)?
    |[ \t]{0,8}(?:[-*•]\ {0,4}|\#{1,6}\ ?|>\ ?|\(?(?:\d{1,3}|[A-Za-z])?(?:[.)\-]\ {0,3})?
        |\||`{1,2}|~{1,2}|[!"']|-{2,3}|\*{2,3}|_{1,3})
    |[ \t]+|(?:\\t)*\\?
    |[^\W\d_]+[\\.]?""",
    re.VERBOSE,
)

# A path may have spaces, so it goes on to the end of the sentence.
_DRIVE = re.compile(r"""[^A-Za-z0-9][A-Za-z]:(?:\\(?:[^"'.!?\n]|\.\S)*)?$""")
_IN_PROSE = re.compile(r"\s[^\W\d_]+,? [^\W\d_A-Z]+$")
# Within single quotes, a regex, a word with backslashes; behind the root of a path.
_CITED = (
    re.compile(r"[\s(\[{=,:][A-Za-z]{0,2}'(?:[^']|'(?=\w))*$"),
    re.compile(r"(?:\(\?|\[\^|[.\]\w)][*+?]\)|\.[*+]|\]\?)\S*$"),
    re.compile(r"\\(?:[^\s\\\"nt]|[nt][a-z])[^\s\"]*$"),
    re.compile(r"(?:\s(?:\.{1,2}|~)|%\w+%|\$(?:env:)?[A-Za-z_]\w*)$"),
)
# What lies before the end of code says nothing about what follows it.
_TICKS = re.compile(r"`|~~~")
_SENTENCE = frozenset(".!?:…。！？：।؟")
_OPENERS = frozenset("([<“«‘「『【（《_*¿¡`$@!#&")
_BETWEEN = frozenset("\\/'@#&=^<+-{([“«‘「『【（《¿¡$")
_CONTINUES = frozenset(" \t\r\n.,;:?)]}>%|'\"’”/\\")

_OPENS_QUOTE = re.compile(r"(?:[^\W\d_][,:]?|[.!?:—–]) $")
_IN_BRACKETS = re.compile(r"\[[^\]]*$")
_IN_CODE = re.compile(r"[\\{\[=(<`]")
_UNICODE = re.compile(r"\\u[0-9a-fA-F]{4}")
_UNICODE_BEGUN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")


def clip(text: str, start: int) -> str:
    """As much of `text` from `start` on as may be held."""
    window = text[start : start + WINDOW]
    while len(window.encode("utf-8", "surrogatepass")) > WINDOW:
        window = window[:-1]
    return window


def _is_cited(before: str) -> bool:
    text = _TICKS.split(before)[-1].replace("\\\\", "")
    return any(pattern.search(text) for pattern in _CITED)


def quote_points(before: str, after: str, *, whole: bool) -> int | None:
    r"""What a `\"` between `before` and `after` proves: in a sentence it opens a quotation."""
    if not after and not whole:
        return None
    if before == "\n":
        return PROOF if after[:1].isupper() else 0
    opens = _OPENS_QUOTE.search(before) and after[:1].isalpha()
    return PROOF if opens and not _is_cited(before) and not _IN_CODE.search(before) else 0


def unicode_points(before: str, value: str, after: str, *, whole: bool) -> int | None:
    r"""What a `\uXXXX` proves: among letters it is one, by itself it may be spoken about."""
    if not whole and (not after or _UNICODE_BEGUN.fullmatch(after)):
        return None
    if _is_cited(before) or _DRIVE.search(before) or _IN_BRACKETS.search(before):
        return 0
    joined = before[-1:].isalpha() or after[:1].isalpha() or _UNICODE.match(after)
    return PROOF if joined and unicodedata.category(value[0])[0] in "LMP" else 0


def _is_capitalised(text: str) -> bool:
    """Whether `text` begins with a word of which only the first letter is a capital."""
    found = _WORD.match(text)
    word = found[0] if found else ""
    plain = not any(letter.isupper() for letter in word[1:])
    return plain and _WORD_ENDS.match(text, len(word)) is not None


def _look_up(left: str, right: str, breaks: int) -> int:
    return int(_POINTS[left].split()[_RIGHTS.index(right)][min(breaks, 2) - 1])


def _foregone(left: str, rest: str, breaks: int) -> int | None:
    """The points, if they are the same for whatever a begun word may become."""
    first = rest[:1]
    if not first.isalpha() or first.islower():
        return None
    rights = ("block", "title", "upper") if first.isupper() else ("script",)
    points = {_look_up(left, right, breaks) for right in rights}
    return points.pop() if len(points) == 1 else None


@attrs.frozen
class Seam:
    """
    A literal line break between what is `before` and `after` it.

    `whole` says that no more of `after` can be had. `quoted`: within double quotes.
    `heading`: the line that it ends begins with "#".
    """

    before: str
    after: str
    whole: bool
    quoted: bool = False
    heading: bool = False

    def points(self) -> int | None:
        """What it proves; None when more of `after` is needed."""
        left = self._left()
        if left == "none":
            return AGAINST
        rest, breaks = self.after, 1
        while found := _BREAK.match(rest):
            rest, breaks = rest[found.end() :], breaks + 1
        right = self._right(rest)
        if right is None:
            return _foregone(left, rest, breaks)
        if right == "none":
            return AGAINST
        if right == "odd":
            return _look_up(left, "open", breaks) if breaks > 1 else 0
        return _look_up(left, right, breaks)

    def _left(self) -> str:
        before = self.before
        if before == "\n":
            return "start"
        if before.endswith(("\\n", "\n")):
            return "seam"
        if self.quoted or _is_cited(before):
            return "none"
        if _DRIVE.search(before):
            return "path"
        if self.heading:
            return "heading"
        if before[-1] == " ":
            return "sentence" if before.rstrip()[-1:] in _SENTENCE else "space"
        return self._left_character(before[-1])

    def _left_character(self, last: str) -> str:
        if last == "|":
            return "pipe"
        if last in _SENTENCE:
            return "colon" if last == ":" else "sentence"
        if unicodedata.category(last)[0] in "LNM":
            return "prose" if _IN_PROSE.search(self.before) else "word"
        return "none" if last in _BETWEEN else "closer"

    def _right(self, rest: str) -> str | None:
        # The end of what can be had is taken for the end of the line.
        if _BLOCK.match(rest + "\\" if self.whole else rest):
            return "block"
        if _INDENT.match(rest):
            return "indent"
        if not self.whole and _BEGUN.fullmatch(rest):
            return None
        if not rest:
            return "end"
        return "spaced" if _SPACED.match(rest) else self._right_character(rest)

    def _right_character(self, rest: str) -> str:
        first = rest[0]
        if first.isdigit():
            return "digit"
        if first.islower():
            return "prose" if _PROSE.match(rest) else "lower"
        if first.isupper():
            return "title" if _is_capitalised(rest) else "upper"
        if first.isalpha() or unicodedata.category(first) == "So":
            return "script"
        if first in _OPENERS or (first in "\"'" and rest[1:2].isalpha()) or rest[:2] == '\\"':
            return "open"
        return "none" if first in _CONTINUES else "odd"
