"""Whether something is a JSON schema, told quickly: what a client sends must not hold up others.

The rules are those of draft 2020-12's own schema. Regular expressions are not looked at:
clients write them for engines of many kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import attrs


__all__ = ["MOST_VALUES", "SchemaReader"]

# Far more than a model is offered (OpenAI takes 5,000 properties, ten levels deep), and read
# in less than a tenth of a second.
MOST_VALUES = 50_000
DEEPEST = 200

LONGEST_PATH = 200

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
ANCHOR = re.compile(r"[A-Za-z_][-A-Za-z0-9._]*\Z")


class NoSchema(Exception):
    """What is wrong; `path` leads there, its last step first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.path: list[object] = []

    def __str__(self) -> str:
        """What, and where: `it must be text (at $.properties.city.title)`."""
        steps = "".join(f".{step}" for step in reversed(self.path))
        return f"{self.args[0]} (at ${steps[:LONGEST_PATH]})"


@attrs.define
class SchemaReader:
    """
    Reads the schemas of one request. Together they may have so many values, of any depth.

    `references` are those that it has met.
    """

    left: int = attrs.field(init=False, factory=lambda: MOST_VALUES)
    references: set[str] = attrs.field(init=False, factory=set)
    _read: set[int] = attrs.field(init=False, factory=set)

    def wrong(self, schema: object) -> str | None:
        """Why this is no schema, or none that is taken; None if it is one."""
        if id(schema) in self._read:
            return None
        try:
            self._count(schema)
            self._schema(schema)
        except NoSchema as exc:
            return str(exc)
        return None

    def _count(self, schema: object) -> None:
        level: list[object] = [schema]
        for _ in range(DEEPEST):
            self.left -= len(level)
            if self.left < 0:
                raise NoSchema(
                    f"there is too much of it: a request's schemas may have {MOST_VALUES} values"
                )
            level = [inner for value in level for inner in _inside(value)]
            if not level:
                return
        raise NoSchema(f"it is nested too deep: {DEEPEST} levels are the most")

    def _schema(self, value: object) -> None:
        if isinstance(value, bool):
            return
        if not isinstance(value, dict):
            raise NoSchema("it must be a schema: an object or a boolean")
        self._read.add(id(value))
        if isinstance(reference := value.get("$ref"), str):
            self.references.add(reference)
        for word, inner in value.items():
            if (reads := READS.get(word)) is not None:
                self._step(word, reads, inner)

    def _schemas(self, value: object) -> None:
        if not isinstance(value, list) or not value:
            raise NoSchema("it must be a list of schemas")
        for i, inner in enumerate(value):
            self._step(i, SchemaReader._schema, inner)

    def _named(self, value: object) -> None:
        for name, inner in _mapping(value).items():
            self._step(name, SchemaReader._schema, inner)

    def _dependencies(self, value: object) -> None:
        for name, inner in _mapping(value).items():
            names = isinstance(inner, list)
            self._step(name, READS["required"] if names else SchemaReader._schema, inner)

    def _step(self, name: object, reads: Reads, value: object) -> None:
        try:
            reads(self, value)
        except NoSchema as exc:
            exc.path.append(name)
            raise

    def _names_by_name(self, value: object) -> None:
        for name, inner in _mapping(value).items():
            self._step(name, READS["required"], inner)


Reads: TypeAlias = Callable[[SchemaReader, Any], None]


def _inside(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise NoSchema("it must be an object")
    return value


def _plain(what: str, true: Callable[[Any], bool]) -> Reads:
    def reads(_: SchemaReader, value: object) -> None:
        if not true(value):
            raise NoSchema(f"it must be {what}")

    return reads


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == value // 1


def _is_names(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return bool(names) and _is_names(names) and all(name in TYPES for name in names)


_TEXT = _plain("text", lambda value: isinstance(value, str))
_FLAG = _plain("true or false", lambda value: isinstance(value, bool))
_NUMBER = _plain("a number", _is_number)
_COUNT = _plain("a whole number, and not below 0", _is_count)
_LIST = _plain("a list", lambda value: isinstance(value, list))
_NAMES = _plain("a list of names, each once", _is_names)
_ANCHOR = _plain("a name", lambda value: isinstance(value, str) and ANCHOR.match(value) is not None)

_SAME = {
    SchemaReader._schema: "additionalProperties contains contentSchema else if items not"
    " propertyNames then unevaluatedItems unevaluatedProperties",
    SchemaReader._schemas: "allOf anyOf oneOf prefixItems",
    SchemaReader._named: "$defs definitions dependentSchemas patternProperties properties",
    SchemaReader._dependencies: "dependencies",
    SchemaReader._names_by_name: "dependentRequired",
    _TEXT: "$comment $dynamicRef $recursiveRef $ref $schema contentEncoding contentMediaType"
    " description format pattern title",
    _FLAG: "deprecated readOnly uniqueItems writeOnly",
    _NUMBER: "exclusiveMaximum exclusiveMinimum maximum minimum",
    _COUNT: "maxContains maxItems maxLength maxProperties minContains minItems minLength"
    " minProperties",
    _LIST: "enum examples",
    _NAMES: "required",
    _ANCHOR: "$anchor $dynamicAnchor $recursiveAnchor",
}

# What stands under any other word is data, or of no meaning.
READS: Mapping[str, Reads] = {
    **{word: reads for reads, words in _SAME.items() for word in words.split()},
    "$id": _plain("an address without #", lambda v: isinstance(v, str) and "#" not in v[:-1]),
    "multipleOf": _plain("a number above 0", lambda value: _is_number(value) and value > 0),
    "type": _plain(f"one of {', '.join(TYPES)}, or a list of them", _is_type),
}
