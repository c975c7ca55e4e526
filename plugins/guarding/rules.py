"""Rules about what a text may hold.

The operator writes the patterns, but anybody writes the texts, and with Python's own `re`
one message can hold up the whole gateway: `[\\w.]+@[\\w.]+` needs half a minute for a hundred
thousand letters. So patterns are RE2's, whose time grows with the text and no faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, Protocol

import attrs

from gateway.plugin import Image, Message, Part, Text, ToolCall
from plugins.guarding.texts import decoded, texts_of, written


try:
    import re2
except ImportError:  # it comes with the extra `guard`
    re2 = None

# To find a pattern again may take a look at all the rest of the text, each time. What takes
# more characters than this is masked as a whole.
MOST_WORK = 300_000_000

NO_RE2 = "patterns need google-re2: pip install 'letta-gateway[guard]'"


class Pattern(Protocol):
    """What RE2 makes of a pattern."""

    def search(self, text: str) -> Any: ...

    def subn(self, repl: Callable[[Any], str], text: str, count: int) -> tuple[str, int]: ...


@lru_cache(maxsize=1024)
def compiled(pattern: str, *, ignore_case: bool) -> Pattern:
    """
    A pattern, ready to use.

    Raises:
        ValueError: It is none that can be used, and why.
    """
    if re2 is None:
        raise ValueError(NO_RE2)
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        made: Pattern = re2.compile(pattern, options)
    except re2.error as exc:
        raise ValueError(f"is no pattern of RE2's: {_told(exc)}") from None
    if made.search(""):
        raise ValueError("matches the empty text, and so every text")
    return made


def _told(error: Exception) -> str:
    (why,) = error.args or ("it says nothing",)
    return why.decode(errors="replace") if isinstance(why, bytes) else str(why)


def _pattern(_: object, __: object, value: str) -> None:
    compiled(value, ignore_case=False)


def _name(_: object, __: object, value: str) -> None:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be some text in one line")


@attrs.frozen
class Rule:
    """What a message may not hold, and what is done about it."""

    name: str = attrs.field(
        validator=_name, metadata={"help": "what it is about; who is refused is told this"}
    )
    pattern: str = attrs.field(
        validator=_pattern, metadata={"help": "an RE2 pattern, found anywhere in the text"}
    )
    action: Literal["refuse", "mask"] = attrs.field(
        default="refuse",
        metadata={"help": "refuse the request, or mask what was found and go on"},
    )
    mask: str = attrs.field(
        default="[removed]", metadata={"help": "what stands instead of what was masked"}
    )
    ignore_case: bool = attrs.field(
        default=False, metadata={"help": "take capitals and small letters for the same"}
    )

    @property
    def compiled(self) -> Pattern:
        """Its pattern, ready to use."""
        return compiled(self.pattern, ignore_case=self.ignore_case)


@attrs.frozen
class Rules:
    """All rules, applied to one text after the other."""

    rules: Sequence[Rule]

    def broken_by(self, message: Message) -> str | None:
        """The name of the first rule for which the message has to be refused."""
        refusing = [rule for rule in self.rules if rule.action == "refuse"]
        texts = [_text(text) for text in texts_of(message)] if refusing else []
        for rule in refusing:
            if any(rule.compiled.search(text) for text in texts):
                return rule.name
        return None

    def without_id(self, message: Message) -> Message:
        """The message without the id of a call, if that has to be refused; else the same."""
        alone = Message("tool", (), tool_call_id=message.tool_call_id)
        broken = self.broken_by(alone) is not None
        return attrs.evolve(message, tool_call_id=None) if broken else message

    def masked(self, message: Message) -> Message:
        """
        The message with masks; the same, if there is nothing to mask.

        Ids of calls stay: a result without its own would not find the call that waits for it.
        """
        parts = tuple(self._image(part) for part in message.parts)
        text = self._mask(message.text)
        if text is not None:
            images = [part for part in message.parts if isinstance(part, Image)]
            parts = (Text(text), *map(self._image, images))
        calls = tuple(self._call(call) for call in message.tool_calls)
        name = self._masked(message.name or "") or None
        masked = attrs.evolve(message, parts=parts, tool_calls=calls, name=name)
        return message if masked == message else masked

    def _image(self, part: Part) -> Part:
        """An image whose address has to be masked is none any more."""
        if isinstance(part, Text):
            return part
        masks = (self._mask(text) for text in written(part))
        found = next((mask for mask in masks if mask is not None), None)
        return part if found is None else Text(found)

    def _call(self, call: ToolCall) -> ToolCall:
        arguments = self._masked(call.arguments)
        again = self._mask(decoded(arguments))
        return attrs.evolve(
            call,
            name=self._masked(call.name),
            arguments=arguments if again is None else again,
        )

    def _masked(self, text: str) -> str:
        masked = self._mask(text)
        return text if masked is None else masked

    def _mask(self, text: str) -> str | None:
        """The text with masks, or None if it needs none."""
        found, text = 0, _text(text)
        for rule in self.rules:
            if rule.action == "mask":
                text, times = _masked(rule, text)
                found += times
        return text if found else None


def _masked(rule: Rule, text: str) -> tuple[str, int]:
    most = MOST_WORK // (len(text) + 1) + 1
    masked, times = rule.compiled.subn(lambda _: rule.mask, text, most)
    return (rule.mask, 1) if times == most else (masked, times)


def _text(text: str) -> str:
    """RE2 reads UTF-8, and a header or a body may hold what cannot be written so."""
    return text.encode(errors="replace").decode()
