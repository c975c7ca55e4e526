"""Find a plugin by its name, or by its path `package.module:Class`.

A name is an entry point in the group `letta_gateway.plugins` of any installed package.
Nothing is imported but what is asked for.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import attrs

from gateway.errors import StartError
from gateway.names import meant
from gateway.plugin import Plugin


GROUP = "letta_gateway.plugins"
OWN = "letta-gateway"

# Python reads at its start where editable packages are.
_SINCE = " (if that was while the gateway ran, restart it)"


@attrs.frozen
class Found:
    """
    A plugin and where it came from.

    `name` is what other plugins' `needs` call it. `origin` is the package and its version,
    `acme-redact 1.2`, or the module and its file for a plugin that has no entry point.
    """

    plugin_class: type[Plugin[Any]]
    name: str
    origin: str

    def construct(self, settings: Any) -> Plugin[Any]:
        """
        A plugin with these settings, an instance of its config class.

        Raises:
            StartError: Its constructor failed.
        """
        try:
            return self.plugin_class(settings)
        except (Exception, SystemExit) as error:
            raise StartError(f"{self.name} cannot be made: {_reason(error)}") from error


@attrs.frozen
class Broken:
    """A plugin that is installed and cannot be used, and why."""

    name: str
    origin: str
    reason: str


def names() -> list[str]:
    """The names that are installed; this imports none of them."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def installed() -> list[Found | Broken]:
    """Every plugin that is installed. This imports them all, to tell which of them work."""
    found: list[Found | Broken] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            found.append(_find(entry.name, [entry]))
        except StartError as error:
            found.append(Broken(entry.name, _origin(entry), str(error)))
    return found


def find(use: str) -> Found:
    """
    The plugin that a step of the pipeline uses.

    Raises:
        StartError: There is none, or it cannot be imported, or it is no plugin.
    """
    if ":" not in use:
        return _find(use, list(entry_points(group=GROUP, name=use)))
    known = next((entry for entry in entry_points(group=GROUP) if entry.value == use), None)
    if known:
        return _find(known.name, [known])
    plugin_class, module = _load(use)
    return Found(plugin_class, use, f"{module.__name__} ({module.__file__})")


def _find(name: str, entries: list[EntryPoint]) -> Found:
    if not entries:
        path = " (a path is package.module:Class)" if "." in name else ""
        raise StartError(f'there is no plugin "{name}"{path}; {meant(name, names())}')
    own = [entry for entry in entries if entry.dist and entry.dist.name == OWN]
    entries = own or entries  # what is installed beside cannot take a built-in's name
    if len(entries) > 1:
        offers = " and ".join(f"{_origin(entry)} ({entry.value})" for entry in entries)
        raise StartError(f"{offers} both offer it; use the path in brackets")
    return Found(_load(entries[0].value)[0], name, _origin(entries[0]))


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _load(path: str) -> tuple[type[Plugin[Any]], ModuleType]:
    name, _, attribute = path.partition(":")
    module = _imported(name)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise StartError(f"{name} has no {attribute}; {meant(attribute, _plugins(module))}")
        found = getattr(found, part)
    if not _is_plugin(found):
        raise StartError(f"{path} is not a subclass of gateway.plugin.Plugin")
    return found, module


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            what = f"there is no module {error.name}; is its package installed here?{_SINCE}"
            raise StartError(what) from None
        raise StartError(f"{name} cannot be imported: {_reason(error)}") from error
    except (Exception, SystemExit) as error:
        raise StartError(f"{name} cannot be imported: {_reason(error)}") from error


def _plugins(module: ModuleType) -> Iterable[str]:
    return (name for name, one in vars(module).items() if _is_plugin(one) and one is not Plugin)


def _is_plugin(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, Plugin)


def _reason(error: BaseException) -> str:
    """What happened and in which line of the plugin, on one line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    said = " ".join(str(error).split())
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {said} ({last.filename}, line {last.lineno})"
