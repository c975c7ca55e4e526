"""The public API in words, a line for each thing that an author may rely on.

python -m tests.public_api    writes them anew, after a change on purpose
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs


FILE = Path(__file__).with_suffix(".txt")
MODULES = (
    "gateway.events",
    "gateway.plugin",
    "gateway.errors",
    "gateway.json_schema",
    "gateway.testing",
    "gateway.testing.recordings",
)

# What every class has: it says nothing of one.
COMMON = set(dir(Exception)) | {"__dict__", "__weakref__", "__module__", "__match_args__"}


def lines() -> list[str]:
    """All of it."""
    return [line for name in MODULES for line in _module(import_module(name))]


def _module(module: ModuleType) -> Iterator[str]:
    for name in names(module):
        thing = getattr(module, name)
        path = f"{module.__name__}.{name}"
        if inspect.isclass(thing):
            yield f"class {path}{_signature(thing)}"
            yield from (f"    {line}" for line in _class(thing))
        elif inspect.isfunction(thing):
            yield f"{_def(thing)} {path}{_signature(thing)}"
        elif typing.get_origin(thing):
            yield f"{path} = {thing}"
        else:
            yield path


def names(module: ModuleType) -> list[str]:
    """Those it offers: its `__all__`, or what it defines itself."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(thing)
        and getattr(thing, "__module__", module.__name__) in {module.__name__, "typing", "types"}
        and name != "annotations"
        and getattr(typing, name, None) is not thing
    )


def _class(kind: type) -> Iterator[str]:
    for name in sorted(set(dir(kind)) - COMMON):
        if name.startswith("_") and name not in {"__aenter__", "__aexit__", "__call__"}:
            continue
        thing = inspect.getattr_static(kind, name)
        if isinstance(thing, property):
            yield f"{name}: {inspect.get_annotations(thing.fget).get('return')}"
        elif isinstance(thing, classmethod | staticmethod):
            yield f"{_def(thing.__func__)} {name}{_signature(thing.__func__)}"
        elif inspect.isfunction(thing):
            yield f"{_def(thing)} {name}{_signature(thing)}"
        elif not attrs.has(kind) or name not in attrs.fields_dict(kind):
            yield name


def _def(function: Any) -> str:
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    return "async def" if is_async else "def"


def _signature(thing: Any) -> str:
    """What it takes and gives, with the defaults that mean something."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    parameters = [
        each.replace(annotation=_word(each.annotation), default=_default(each.default))
        for each in signature.parameters.values()
    ]
    gives = _word(signature.return_annotation)
    return str(signature.replace(parameters=parameters, return_annotation=gives))


class _Word(str):
    """An annotation as it is written in the source."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _word(annotation: Any) -> Any:
    return _Word(annotation) if isinstance(annotation, str) else annotation


def _default(value: object) -> object:
    plain = value is None or isinstance(value, bool | int | float | str | type)
    return value if plain else _Word("...")


def written() -> list[str]:
    """As it was when somebody last meant it."""
    return FILE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    FILE.write_text("\n".join([*lines(), ""]), encoding="utf-8")
