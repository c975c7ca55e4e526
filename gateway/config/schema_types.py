"""JSON schemas of attrs classes: of their fields' types, validators, defaults and help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, TypeAlias, get_args, get_origin

import attrs

from gateway.config.describe import LISTS, MAPPINGS, default_of, is_choice, is_union


Schema: TypeAlias = dict[str, Any]

# A number, or true or false, may come from a variable that stands alone; text may hold some.
VARIABLE = r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}$"
WITH_VARIABLE = r"\$\{"

_SCALARS = {int: "integer", float: "number", bool: "boolean"}
_BOUNDS = {
    ">=": "minimum",
    "<=": "maximum",
    ">": "exclusiveMinimum",
    "<": "exclusiveMaximum",
}


def of_class(config_class: type) -> Schema:
    """The mapping that a class is read from."""
    attrs.resolve_types(config_class)
    fields = [field for field in attrs.fields(config_class) if field.init]
    made: Schema = {
        "type": "object",
        "properties": {field.alias: _of_field(field) for field in fields},
        "additionalProperties": False,
    }
    if required := [field.alias for field in fields if default_of(field) is attrs.NOTHING]:
        made["required"] = required
    return made


def _of_field(field: attrs.Attribute[Any]) -> Schema:
    made: Schema = {}
    if text := field.metadata.get("help"):
        made["description"] = text
    made |= _of_type(field.type)
    for validator in _each(field.validator):
        _bound(made, validator)
    default = default_of(field)
    if default is not attrs.NOTHING and not (default is None or default == {}):
        made["default"] = default
    return made


def _of_type(kind: Any) -> Schema:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind in _SCALARS:
        return {"type": [_SCALARS[kind], "string"], "pattern": VARIABLE}
    if kind in {str, Path}:
        return {"type": "string"}
    if kind is NoneType:
        return {"type": "null"}
    if is_choice(kind):
        variable = {"type": "string", "pattern": WITH_VARIABLE}
        return {"anyOf": [{"enum": list(arguments)}, variable]}
    if is_union(kind):
        return {"anyOf": [_of_type(one) for one in arguments]}
    if origin in LISTS:
        return {"type": "array", **_below("items", arguments[:1])}
    if origin in MAPPINGS:
        return {"type": "object", **_below("additionalProperties", arguments[1:])}
    return of_class(kind) if attrs.has(kind) else {}


def _below(name: str, arguments: tuple[Any, ...]) -> Schema:
    kind = arguments[0] if arguments else Any
    return {} if kind is Any else {name: _of_type(kind)}


def _each(validator: Any) -> Iterator[Any]:
    """What attrs has put together, one by one."""
    parts = getattr(validator, "_validators", None)
    if parts is None:
        yield validator
    else:
        for part in parts:
            yield from _each(part)


def _bound(made: Schema, validator: Any) -> None:
    """What attrs' own validators say; others say it when the file is checked."""
    word = _BOUNDS.get(getattr(validator, "compare_op", ""))
    if word and isinstance(validator.bound, int | float):
        made[word] = validator.bound
    if (shortest := getattr(validator, "min_length", None)) is not None:
        made["minItems" if made.get("type") == "array" else "minLength"] = shortest
    if (member := getattr(validator, "member_validator", None)) is not None and "items" in made:
        for one in _each(member):
            _bound(made["items"], one)
