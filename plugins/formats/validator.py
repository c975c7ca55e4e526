"""Compares a value with a JSON schema, and gives up when that takes too long.

Regular expressions are not tried: a bad one takes for ever. What depends on them counts as
fitting, and so does `unevaluatedItems`, which looks at all items again for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import create

from plugins.formats.reference import target


# What may be done with one value: keywords, the values that they look at, and what they say.
# Schemas can be written that double with each level.
MOST_STEPS = 100_000
CHARACTERS_A_STEP = 100

Errors: TypeAlias = Iterator[ValidationError]
Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Errors]


class TooMuch(Exception):
    """To check this would take too long."""


def validator(schema: Mapping[str, Any]) -> Any:
    """
    What tells the errors of one value.

    Raises:
        TooMuch: While it does so.
        LookupError: The same, if there is nothing at a reference.
    """
    steps = Steps()

    def follow(compares: Any, reference: str, value: Any, _: Any) -> Errors:
        yield from compares.descend(value, target(schema, reference))

    own = {"const": steps.const, "enum": steps.enum, "uniqueItems": steps.unique}
    every = {**Draft202012Validator.VALIDATORS, **UNTRIED, "$ref": follow}
    kind: Any = create(
        Draft202012Validator.META_SCHEMA,
        {**{word: steps.counted(keyword) for word, keyword in every.items()}, **own},
        type_checker=Draft202012Validator.TYPE_CHECKER,
    )
    kind.evolve = attrs.evolve  # its own makes another kind where a schema has a `$schema`
    return kind(schema)


@attrs.define
class Steps:
    """Those that are left. Values are compared as JSON: 1 is 1.0, and not true."""

    left: int = MOST_STEPS
    _choices: dict[int, frozenset[Hashable]] = attrs.field(init=False, factory=dict)

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise TooMuch

    def counted(self, keyword: Keyword) -> Keyword:
        """The same keyword, at the price of what it looks at and of what it says."""

        def check(compares: Any, wanted: Any, value: Any, within: Any) -> Errors:
            self.take(1 + _size(wanted) + _size(value))
            for error in keyword(compares, wanted, value, within):
                yield self.said(error)

        return check

    def said(self, error: ValidationError) -> ValidationError:
        self.take(1 + len(error.message) // CHARACTERS_A_STEP)
        return error

    def unique(self, _: Any, wanted: bool, value: Any, __: Any) -> Errors:
        if wanted and isinstance(value, list) and len(set(map(self._key, value))) < len(value):
            yield self.said(ValidationError("one of the items is there twice"))

    def enum(self, _: Any, wanted: Sequence[Any], value: Any, __: Any) -> Errors:
        choices = self._choices.get(id(wanted))
        if choices is None:
            choices = self._choices[id(wanted)] = frozenset(map(self._key, wanted))
        if self._key(value) not in choices:
            yield self.said(ValidationError(f"{value!r} is not one of {wanted!r}"))

    def const(self, _: Any, wanted: Any, value: Any, __: Any) -> Errors:
        if self._key(value) != self._key(wanted):
            yield self.said(ValidationError(f"{wanted!r} was expected"))

    def _key(self, value: Any) -> Hashable:
        self.take(1)
        if isinstance(value, dict):
            return frozenset((name, self._key(inner)) for name, inner in value.items())
        if isinstance(value, list):
            return tuple(map(self._key, value))
        return ("bool", value) if isinstance(value, bool) else value


def _size(value: object) -> int:
    return len(value) if isinstance(value, dict | list) else 0


def _untried(*_: object) -> Errors:
    return iter(())


def _additional(compares: Any, wanted: Any, value: Any, within: Mapping[str, Any]) -> Any:
    if "patternProperties" in within:
        return _untried()
    return Draft202012Validator.VALIDATORS["additionalProperties"](compares, wanted, value, within)


UNTRIED: Mapping[str, Any] = {
    "pattern": _untried,
    "patternProperties": _untried,
    "unevaluatedItems": _untried,
    "unevaluatedProperties": _untried,
    "additionalProperties": _additional,
    "$dynamicRef": _untried,
}
