"""What is wrong in a configuration, and the words for it.

Found text is never quoted: it may be a secret that stands in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from gateway.config.describe import in_words
from gateway.config.variables import FromEnvironment, written


At: TypeAlias = tuple[str | int, ...]


@attrs.frozen
class Mistake:
    """
    What is wrong at a place in the data.

    `key`: the key itself is, not its value. `quoted`: the words are a plugin's, and may show
    values.
    """

    at: At
    what: str
    key: bool = False
    quoted: bool = False

    def below(self, *at: str | int) -> Mistake:
        """The same mistake, seen from further up."""
        return attrs.evolve(self, at=(*at, *self.at))


class Wrong(Exception):
    """Data that do not fit their type; `good` is what fits all the same, by key."""

    def __init__(self, mistakes: Iterable[Mistake], good: Mapping[Any, Any] | None = None) -> None:
        self.mistakes = tuple(mistakes)
        self.good = good or {}
        super().__init__(*(mistake.what for mistake in self.mistakes))

    @classmethod
    def here(cls, what: str) -> Wrong:
        """The value itself is wrong."""
        return cls([Mistake((), what)])

    @classmethod
    def unexpected(cls, kind: Any, value: Any) -> Wrong:
        """The value has another type than `kind`."""
        return cls.here(f"expected {in_words(kind)}, found {_found(value)}{_hint(kind, value)}")


def hide(text: str, secrets: Iterable[Any]) -> str:
    """Take every word that one of `secrets` holds out of a text, however Python writes it."""
    for secret in sorted(_words(secrets), key=len, reverse=True):
        for form in {secret, repr(secret)[1:-1]} - {""}:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "…", text)
    return text


def _words(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return {str(value)}
    return {word for one in value for word in _words(one)}


def _found(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case FromEnvironment():
            return f"other text in {value.source}"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case None:
            return "nothing"
        case _:
            return in_words(type(value))


def _hint(kind: Any, value: Any) -> str:
    if kind is str and isinstance(value, bool | int | float):
        return " (put it in quotes)"
    if type(value) is str and written(value, kind):
        return " (take the quotes away)"
    return ""
