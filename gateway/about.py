"""Plugins in words: which are installed, and what can be set in one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.describe import Setting, item_class, settings_of
from gateway.registry import Broken, Found, installed
from gateway.tables import folded


def summaries() -> list[Mapping[str, Any]]:
    """Every plugin that is installed, in a row."""
    return [
        {"plugin": found.name, "origin": found.origin, "about": _summary(found)}
        for found in installed()
    ]


def as_json(found: Found) -> Mapping[str, Any]:
    """A plugin for programs: the same as `described`."""
    kind = found.plugin_class
    return {
        "plugin": found.name,
        "origin": found.origin,
        "about": _summary(found),
        "on_failure": _on_failure(found),
        "needs": sorted(kind.needs),
        "before": sorted(kind.before),
        "settings": [_setting(*named) for named in _all_settings(kind.config_class())],
    }


def _setting(name: str, setting: Setting) -> Mapping[str, Any]:
    """One that must be given has no default."""
    facts = {"name": name, "type": setting.type, "help": setting.help}
    if setting.default is None:
        return {**facts, "required": True}
    return {**facts, "required": False, "default": json.loads(setting.default)}


def described(found: Found, width: int | None) -> Iterator[str]:
    """A plugin: what it does, where it stands, its settings, and a step with their defaults."""
    yield f"{found.name}, of {found.origin}"
    yield from folded(_summary(found), width)
    yield ""
    for rule in _rules(found):
        yield from folded(rule, width)
    settings = settings_of(found.plugin_class.config_class())
    if not settings:
        yield "It has no settings."
    for name, setting in _all_settings(found.plugin_class.config_class()):
        default = "must be given" if setting.default is None else f"default {setting.default}"
        yield ""
        yield from folded(f"{name}: {setting.type}; {default}", width, hanging="    ")
        yield from folded(setting.help, width, indent="    ") if setting.help else ()
    yield ""
    yield from _example(found, settings)


def _summary(found: Found | Broken) -> str:
    if isinstance(found, Broken):
        return found.reason
    return (
        inspect.cleandoc(found.plugin_class.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    )


def _rules(found: Found) -> Iterator[str]:
    kind = found.plugin_class
    failure = "the request fails" if kind.essential else "the request goes on without it"
    yield f"When it fails, {failure} (on_failure: {_on_failure(found)})."
    if kind.needs:
        yield f"It needs {', '.join(sorted(kind.needs))} above it, nearer to the client."
    if kind.before:
        yield f"It has to stand above {', '.join(sorted(kind.before))}, nearer to the client."


def _on_failure(found: Found) -> str:
    return "fail" if found.plugin_class.essential else "bypass"


def _all_settings(config_class: type, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    """Those of a class, and below a list of mappings those of each."""
    for setting in settings_of(config_class):
        yield prefix + setting.name, setting
        if (inner := item_class(config_class, setting.name)) is not None:
            yield from _all_settings(inner, f"{prefix}{setting.name}[].")


def _example(found: Found, settings: list[Setting]) -> Iterator[str]:
    """JSON is YAML, so the defaults can be shown as they are."""
    yield "pipeline:"
    yield f"  - use: {found.name}"
    if settings:
        yield "    config:"
    for setting in settings:
        value = "  # must be given" if setting.default is None else setting.default
        yield f"      {setting.name}: {value}".rstrip()
