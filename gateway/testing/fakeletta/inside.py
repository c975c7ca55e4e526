"""How Letta streams what an older agent says: it looks into a tool call's arguments.

The arguments are JSON that arrives in fragments. The thoughts are taken out of them, and of
`send_message` only the value of `message` is passed on, as it stands in the JSON: with its
escapes. It does so fragment by fragment, which loses text with most ways of cutting; these
two readers lose the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import attrs

from gateway.testing.fakeletta.steps import CallPart


Piece: TypeAlias = tuple[Literal["reason", "name", "args", "say"], str]

_CLOSING = re.compile(r'("[,}\]]|")\s*\Z')


@attrs.define
class Thoughts:
    """Splits arguments into the value of `thinking` and the rest, which waits until then."""

    _waits: bool
    _held: str = ""
    _place: Literal["start", "key", "colon", "value", "after", "end"] = "start"
    _string: bool = False
    _escaped: bool = False
    _key: str = ""
    _ours: bool = False
    _over: bool = False
    _rest: str = ""
    _thought: str = ""

    def feed(self, fragment: str) -> tuple[str, str]:
        """What the fragment adds to the rest, and to the thoughts."""
        self._rest = self._thought = ""
        for character in fragment:
            self._feed(character)
        return self._rest, self._thought

    def _feed(self, character: str) -> None:
        if self._escaped or character == "\\":
            self._escaped = not self._escaped
            self._inside(character)
        elif character == '"':
            self._string = not self._string
            self._open() if self._string else self._close()
        elif self._string:
            self._inside(character)
        else:
            self._between(character)

    def _open(self) -> None:
        if self._place in {"start", "after"}:
            self._place, self._key = "key", ""
            if self._over and self._waits:
                self._waits = False
                self._rest += self._held
        elif self._place == "value" and not self._ours:
            self._out('"')

    def _close(self) -> None:
        if self._place == "key":
            self._place = "colon"
        elif self._place == "value":
            if self._ours:
                self._over = True
            else:
                self._out('"')
            self._place = "after"

    def _inside(self, character: str) -> None:
        if self._place == "key":
            self._key += character
        elif self._place == "value":
            if self._ours:
                self._thought += character
            else:
                self._out(character)

    def _between(self, character: str) -> None:
        if character == ":" and self._place == "colon":
            self._place, self._ours = "value", self._key == "thinking"
            if not self._ours:
                self._out(f'"{self._key}":')
        elif character == "," and self._place == "after":
            if not self._ours:
                self._out(",")
            self._place, self._ours = "start", False
        elif character == "}":
            # Of an inner object too: whatever follows is then no longer looked at.
            self._place = "end"
            self._out(character)
        elif character == "{":
            if not self._ours:
                self._out(character)
        elif self._place == "value":
            self._inside(character)

    def _out(self, text: str) -> None:
        if self._waits:
            self._held += text
        else:
            self._rest += text


@attrs.define
class Spoken:
    """Finds the value of `message`: where it opens must come in one fragment."""

    _before: str = ""
    _found: bool = False
    _open: bool = False

    def feed(self, text: str) -> str:
        """What of the message is in this text."""
        bare = text.strip()
        if not self._found:
            return self._search(text, bare)
        if self._open and bare != '"':
            return self._value(text)
        if bare == '"':
            self._found = self._open = not self._open
        return ""

    def _search(self, text: str, bare: str) -> str:
        if bare == "{":
            self._before = ""
            return ""
        self._before += bare
        if "message" in self._before and ":" in bare:
            self._found = True
            _, opens, value = text.partition(":")[2].partition('"')
            self._open = bool(opens)
            return self._value(value) if opens else ""
        if bare == "}":
            self._before = ""
        return ""

    def _value(self, text: str) -> str:
        if _CLOSING.search(text):
            self._found = self._open = False
        return _CLOSING.sub("", text)


@attrs.define
class Inside:
    """Reads a call's parts and says what Letta streams of them."""

    thoughtful: bool
    """Whether the model thinks in the arguments."""
    name: str = ""
    _announced: bool = False
    _held: str = ""
    _thoughts: Thoughts = attrs.Factory(lambda self: Thoughts(self.thoughtful), takes_self=True)
    _spoken: Spoken = attrs.Factory(Spoken)

    def feed(self, part: CallPart) -> Iterator[Piece]:
        """The pieces that this part brings out."""
        self.name += part.name
        rest, thought = self._thoughts.feed(part.args)
        if thought:
            yield "reason", thought
            self._held += rest
        elif rest and not self._announced:
            self._announced = True
            self._held += rest
            if self.name != "send_message":
                yield "name", self.name
        elif rest:
            yield from self._go_on(rest, part.args)

    def _go_on(self, rest: str, fragment: str) -> Iterator[Piece]:
        held, self._held = self._held, ""
        if self.name != "send_message":
            yield "args", held + rest
        elif said := _CLOSING.sub("", self._spoken.feed(held + fragment).rstrip()):
            yield "say", said
