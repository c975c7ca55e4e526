"""A mapping to an attrs class: what is unknown, what is missing, what a validator refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import attrs
import cattrs

from gateway.config.mistakes import Mistake, Wrong, hide
from gateway.names import meant, near


Hook: TypeAlias = Callable[[Any, Any], Any]
Fields: TypeAlias = dict[str, "attrs.Attribute[Any]"]


def class_hook(kind: type, converter: cattrs.Converter) -> Hook:
    """A hook for an attrs class, by the names that its constructor has."""
    fields = _fields(kind)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Wrong.unexpected(kind, value)
        mistakes = [*_unknown(value, fields), *_missing(value, fields)]
        good = _defaults(value, fields)
        try:
            given = [(key, one) for key, one in value.items() if key in fields]
            good |= each(given, lambda key: fields[key].type, converter)
        except Wrong as wrong:
            mistakes += wrong.mistakes
            good |= wrong.good
        if refused := _refused(kind, fields, good):
            mistakes += [Mistake((name,), what, quoted=True) for name, what in refused.items()]
        if mistakes:
            raise Wrong(mistakes, {name: one for name, one in good.items() if name not in refused})
        return _made(kind, fields, good)

    return hook


def _fields(kind: type) -> Fields:
    try:
        attrs.resolve_types(kind)
    except NameError as error:
        raise Wrong.here(f"{kind.__name__} has a type that is not known: {error}") from None
    return {field.alias: field for field in attrs.fields(kind) if field.init}


def _unknown(value: dict[str, Any], fields: Fields) -> Iterable[Mistake]:
    for key in value:
        if key not in fields:
            hint = meant(key, fields) if fields else "there is nothing to set here"
            yield Mistake((key,), f"unknown key; {hint}", key=True)


def _missing(value: dict[str, Any], fields: Fields) -> Iterable[Mistake]:
    misspelt = {near(key, fields) for key in value.keys() - fields.keys()}
    for name, field in fields.items():
        if field.default is attrs.NOTHING and name not in value and name not in misspelt:
            yield Mistake((name,), "is missing")


def _defaults(value: dict[str, Any], fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in fields.items():
        default: Any = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = attrs.NOTHING if default.takes_self else default.factory()
        if name not in value and default is not attrs.NOTHING:
            found[name] = default
    return found


def _refused(kind: type, fields: Fields, good: dict[str, Any]) -> dict[str, str]:
    """
    What the validators say, field by field.

    attrs would stop at the first; so they look at a draft, which also has the other fields.
    What a converter changes first is left to the class itself.
    """
    draft: Any = object.__new__(kind)
    checked = {name: one for name, one in good.items() if fields[name].converter is None}
    for name, one in checked.items():
        object.__setattr__(draft, fields[name].name, one)
    refused: dict[str, str] = {}
    for name, one in checked.items():
        try:
            if validator := fields[name].validator:
                validator(draft, fields[name], one)
        except AttributeError:
            continue  # it looks at a field that is not there; the class itself will say more
        except Exception as error:  # noqa: BLE001  a plugin's validator may raise anything
            reason = _reason(error, fields, good)
            refused[name] = reason.removeprefix(f"'{fields[name].name}' ")  # the path has it
    return refused


def _made(kind: type, fields: Fields, good: dict[str, Any]) -> Any:
    try:
        return kind(**good)
    except Exception as error:  # noqa: BLE001  a plugin's class may raise anything
        what = _reason(error, fields, good)
        raise Wrong([Mistake((), what, quoted=True)], good) from None


def _reason(error: Exception, fields: Fields, good: dict[str, Any]) -> str:
    """The text of a validator, without what must not be shown."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return hide(text, [one for name, one in good.items() if fields[name].repr is not True])


def each(
    items: Iterable[tuple[Any, Any]], kind: Callable[[Any], Any], converter: cattrs.Converter
) -> dict[Any, Any]:
    """Structure every item, and only then complain."""
    good: dict[Any, Any] = {}
    mistakes: list[Mistake] = []
    for at, value in items:
        try:
            good[at] = converter.structure(value, kind(at))
        except Wrong as wrong:
            mistakes += [mistake.below(at) for mistake in wrong.mistakes]
    if mistakes:
        raise Wrong(mistakes, good)
    return good
