"""The JSON schema of a configuration file, for editors: names, types, defaults and help.

It is made from the attrs classes, and so it never says something else than they do. It knows
less than `check-config`: whether variables are set, what is installed, or what a validator
says that is not one of attrs' own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import attrs

from gateway.config.pipelines import MAIN
from gateway.config.schema_types import Schema, of_class
from gateway.config.settings import STORES, File
from gateway.config.steps import Entry
from gateway.registry import Broken, Found


Plugins: TypeAlias = Mapping[str, Schema]

# The store of a file that does not name one.
STORE = "sqlite"

NAMED = "^(?!pipeline$)[^/]+$"


def written(plugins: Iterable[Found | Broken]) -> str:
    """The schema as a file; it knows the settings of these plugins."""
    return json.dumps(schema(plugins), indent=2, ensure_ascii=False, default=str) + "\n"


def schema(plugins: Iterable[Found | Broken]) -> Schema:
    """The schema, in the draft that editors know best."""
    known = {one.name: made for one in plugins if (made := _settings(one)) is not None}
    whole = of_class(File)
    whole["properties"][MAIN] |= {"items": _ref("step")}
    whole["properties"]["pipelines"] |= {
        "propertyNames": {"pattern": NAMED},
        "additionalProperties": {"type": "array", "items": _ref("step")},
    }
    whole["properties"]["store"] |= _store()
    model = whole["properties"]["models"]["items"]
    model["properties"]["settings"] |= _overlays(known)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "letta-gateway",
        **whole,
        "definitions": {"step": _step(known), **_definitions(known)},
    }


def _settings(found: Found | Broken) -> Schema | None:
    """Those of a plugin; None for one that cannot be used anyway, and says so where it is."""
    if isinstance(found, Broken):
        return None
    config_class = found.plugin_class.config_class()
    try:
        return of_class(config_class) if attrs.has(config_class) else None
    except NameError:
        return None


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _definitions(known: Plugins) -> Schema:
    return {f"config.{name}": one for name, one in known.items()}


def _step(known: Plugins) -> Schema:
    """Which settings a step has depends on its plugin."""
    step = of_class(Entry)
    step["properties"]["use"] |= {"anyOf": [{"enum": sorted(known)}, {"type": "string"}]}
    step["allOf"] = [
        {
            "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
            "then": {"properties": {"config": _ref(f"config.{name}")}},
        }
        for name in known
    ]
    return step


def _overlays(known: Plugins) -> Schema:
    """What a model sets anew in steps, by their ids: mostly the names of their plugins."""
    return {
        "properties": {
            name: {**one, "required": []} if "required" in one else _ref(f"config.{name}")
            for name, one in known.items()
        },
        "additionalProperties": {"type": "object"},
    }


def _store() -> Schema:
    """`store: memory`, or `store: {use: memory}` with the settings of its kind."""
    kinds = []
    for name, settings in STORES.items():
        one = of_class(settings)
        kinds.append(one if name == STORE else one | {"required": ["use"]})
    variable = {"type": "string", "pattern": r"\$\{"}
    return {"anyOf": [{"enum": sorted(STORES)}, variable, *kinds]}
