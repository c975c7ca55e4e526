"""Settings in words: what a config class takes, for error messages and for `plugins NAME`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs


LISTS = frozenset({list, tuple, set, frozenset, Sequence, Set})
MAPPINGS = frozenset({dict, Mapping})

_ONE = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    NoneType: "nothing",
    Any: "anything",
}
_MANY = _ONE | {int: "whole numbers", float: "numbers", Path: "paths"}


@attrs.frozen
class Setting:
    """One field of a config class. `default` is JSON, or None where a value must be given."""

    name: str
    type: str
    default: str | None
    help: str


def settings_of(config_class: type) -> list[Setting]:
    """What a config class takes, in the order in which it declares it."""
    attrs.resolve_types(config_class)
    return [
        Setting(field.alias, in_words(field.type), _default(field), field.metadata.get("help", ""))
        for field in attrs.fields(config_class)
        if field.init
    ]


def item_class(config_class: type, name: str) -> type | None:
    """The class of what a setting is a list of, if it is a list of mappings."""
    (field,) = (one for one in attrs.fields(config_class) if one.alias == name)
    kinds = [one for one in get_args(field.type) if attrs.has(one)]
    return kinds[0] if kinds and get_origin(field.type) in LISTS else None


def in_words(kind: Any) -> str:
    """What a type takes, as a person would say it: `a list of text`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _ONE:
        return _ONE[kind]
    if is_choice(kind):
        return f"one of: {choices(kind)}"
    if is_union(kind):
        return " or ".join(in_words(one) for one in arguments)
    if (origin or kind) in LISTS:
        return "a list" + _of(arguments[:1])
    if (origin or kind) in MAPPINGS:
        return "a mapping" + _of(arguments[1:])
    return "a mapping" if attrs.has(kind) else f"a {getattr(kind, '__name__', kind)}"


def is_union(kind: Any) -> bool:
    """True for `A | B`, however it is written."""
    return get_origin(kind) in {Union, UnionType}


def is_choice(kind: Any) -> bool:
    """True for a `Literal`."""
    return get_origin(kind) is Literal


def choices(kind: Any) -> str:
    """The values of a `Literal`, with commas."""
    return ", ".join(one if isinstance(one, str) else json.dumps(one) for one in get_args(kind))


def _of(arguments: tuple[Any, ...]) -> str:
    return f" of {_in_words_many(arguments[0])}" if arguments and arguments[0] is not Any else ""


def _in_words_many(kind: Any) -> str:
    if is_choice(kind):
        return f"these ({choices(kind)})"
    if attrs.has(kind):
        return "mappings"
    return _MANY.get(kind) or in_words(kind)


def default_of(field: attrs.Attribute[Any]) -> Any:
    """What a field is if nothing sets it, as JSON has it; attrs.NOTHING if it must be given."""
    default = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        if default.takes_self:  # type: ignore[union-attr]
            return None  # it follows from other fields
        default = default.factory()  # type: ignore[union-attr]
    return default if default is attrs.NOTHING else _plain(default)


def _default(field: attrs.Attribute[Any]) -> str | None:
    default = default_of(field)
    if default is attrs.NOTHING:
        return None
    return json.dumps(default, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return _plain(attrs.asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
