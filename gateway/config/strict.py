"""Plain data to attrs classes, strictly, and all mistakes at once.

cattrs finds the hook for a type. The hooks are ours, because its own make `True` of
"false" and a list of 'abc'; a type that has none here is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import attrs
import cattrs

from gateway.config.classes import Hook, class_hook, each
from gateway.config.describe import LISTS, MAPPINGS, choices, is_choice, is_union
from gateway.config.mistakes import Mistake, Wrong
from gateway.config.variables import FromEnvironment, written
from gateway.names import near


@attrs.frozen
class Outcome:
    """
    What became of the data: `value`, or `mistakes` if there are any.

    `good` holds the fields that are right in either case, defaults included, so that checks
    across fields can go on.
    """

    value: Any = None
    mistakes: tuple[Mistake, ...] = ()
    good: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


def structure(data: Any, config_class: type) -> Outcome:
    """Read `data` into an attrs class."""
    value: Any
    try:
        value = _converter.structure(data, config_class)
    except Wrong as wrong:
        return Outcome(mistakes=wrong.mistakes, good=wrong.good)
    return Outcome(
        value, good={f.alias: getattr(value, f.name) for f in attrs.fields(config_class)}
    )


def _scalar(value: Any, kind: Any) -> Any:
    if kind not in {bool, int, float}:
        return _refuse(value, kind)
    if isinstance(value, FromEnvironment) and written(value, kind):
        return value == "true" if kind is bool else kind(value)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise Wrong.unexpected(kind, value)
    if not math.isfinite(value):
        raise Wrong.here("expected a number that is finite")
    return kind(value)


def _text(value: Any, kind: Any) -> Any:
    if kind not in {str, Path}:
        return _refuse(value, kind)
    if not isinstance(value, str):
        raise Wrong.unexpected(kind, value)
    return kind(str(value))


def _anything(value: Any, kind: Any) -> Any:
    match value:
        case dict():
            return {key: _anything(one, kind) for key, one in value.items()}
        case list():
            return [_anything(one, kind) for one in value]
        case str():
            return str(value)
        case _:
            return value


def _choice(value: Any, kind: Any) -> Any:
    for one in get_args(kind):
        if one == value and isinstance(value, bool) == isinstance(one, bool):
            return one
    nearest = near(value, map(str, get_args(kind))) if isinstance(value, str) else None
    hint = f'; did you mean "{nearest}"?' if nearest else ""
    raise Wrong.here(f"expected one of: {choices(kind)}{hint}")


def _refuse(value: Any, kind: Any) -> Any:
    raise Wrong.here(f"its type, {kind}, is not one that a file can give")


def _union(kind: Any, converter: cattrs.Converter) -> Hook:
    others = [one for one in get_args(kind) if one is not NoneType]

    def hook(value: Any, _: Any) -> Any:
        if value is None and NoneType in get_args(kind):
            return None
        if len(others) == 1:
            return converter.structure(value, others[0])
        for one in others:
            try:
                return converter.structure(value, one)
            except Wrong:
                continue
        raise Wrong.unexpected(kind, value)

    return hook


def _list(kind: Any, converter: cattrs.Converter) -> Hook:
    build = get_origin(kind) or kind
    item, *more = get_args(kind) or (Any,)
    if more not in ([], [...]):
        return _refuse

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise Wrong.unexpected(kind, value)
        items = each(enumerate(value), lambda _: item, converter).values()
        return build(items) if build in {list, set, frozenset} else tuple(items)

    return hook


def _mapping(kind: Any, converter: cattrs.Converter) -> Hook:
    key, item = get_args(kind) or (str, Any)
    if key is not str:
        return _refuse

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Wrong.unexpected(kind, value)
        return each(value.items(), lambda _: item, converter)

    return hook


def _strict_converter() -> cattrs.Converter:
    """The first that fits is the last registered."""
    converter = cattrs.Converter()
    converter.register_structure_hook_func(lambda kind: True, _refuse)
    converter.register_structure_hook_func(lambda kind: kind is Any, _anything)
    converter.register_structure_hook_func(is_choice, _choice)
    converter.register_structure_hook_factory(is_union, _union)
    converter.register_structure_hook_factory(lambda kind: _base(kind) in LISTS, _list)
    converter.register_structure_hook_factory(lambda kind: _base(kind) in MAPPINGS, _mapping)
    converter.register_structure_hook_factory(attrs.has, class_hook)
    for scalar in (bool, int, float):
        converter.register_structure_hook(scalar, _scalar)
    for text in (str, Path):
        converter.register_structure_hook(text, _text)
    converter.register_structure_hook(bytes, _refuse)
    return converter


def _base(kind: Any) -> Any:
    return get_origin(kind) or kind


_converter = _strict_converter()
