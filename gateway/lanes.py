"""The pipelines in words: which way requests and events go, what each step is, who gets there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config import Config
from gateway.config.pipelines import MAIN
from gateway.config.routes import AliasSettings
from gateway.tables import folded, table


# What `requests` and `events` stand in.
LABEL = 10


def lanes(config: Config) -> list[str]:
    """Both lanes, as they are run; of each pipeline, if there are several."""
    names = _names(config)
    if len(names) == 1:
        return _lanes(config, MAIN)
    return [
        line
        for name in names
        for line in (_heading(config, name), *(f"  {lane}" for lane in _lanes(config, name)))
    ]


def report(config: Config, width: int | None) -> list[str]:
    """All of it: lanes and steps of each pipeline, the models, and what is disabled."""
    names = _names(config)
    lines: list[str] = []
    for name in names:
        if len(names) > 1:
            lines += folded(_heading(config, name), width, hanging="  ")
        for lane in _lanes(config, name):
            lines += folded(lane, width, hanging=" " * LABEL)
        lines += ["", *table(steps(config, name), width), ""]
    for alias in config.models:
        lines += folded(_model(alias), width, hanging="  ")
    return [*lines, *(f"disabled: {step}" for step in config.disabled)]


def as_json(config: Config) -> dict[str, Any]:
    """The same for programs. Values of settings are left out: they may be secret."""
    return {
        "pipelines": {name: steps(config, name) for name in _names(config)},
        "routes": [
            {"pipeline": route.pipeline, "models": route.models, "keys": route.keys}
            for route in config.routes
        ],
        "models": [
            {
                "id": alias.id,
                "agent": alias.agent,
                "pipeline": alias.pipeline or None,
                "settings": sorted(alias.settings),
            }
            for alias in config.models
        ],
        "disabled": list(config.disabled),
    }


def steps(config: Config, name: str = MAIN) -> list[Mapping[str, Any]]:
    """Each step: its plugin, what happens when that fails, and where it comes from."""
    return [
        {
            "id": step.id,
            "plugin": step.found.name,
            "on_failure": step.on_failure,
            "origin": step.found.origin,
        }
        for step in config.pipelines[name]
    ]


def _names(config: Config) -> list[str]:
    """Those that have a name in the file: what an alias sets anew has the same steps."""
    return [name for name in config.pipelines if "/" not in name]


def _lanes(config: Config, name: str) -> list[str]:
    ids = [step.id for step in config.pipelines[name]]
    down = " → ".join(["client", *ids, "Letta"])
    up = " ← ".join(["client", *ids, "Letta"])
    return [f"{'requests':{LABEL}}{down}", f"{'events':{LABEL}}{up}"]


def _heading(config: Config, name: str) -> str:
    leads = list(_leading(config, name))
    return f"{name}: {'; '.join(leads) or 'no route and no model leads here'}"


def _leading(config: Config, name: str) -> Iterator[str]:
    """What comes to a pipeline. Routes are numbered: the first that fits decides."""
    for number, route in enumerate(config.routes, start=1):
        if route.pipeline == name:
            keys = f" of keys {', '.join(route.keys)}" if route.keys else ""
            yield f"route {number}, models {', '.join(route.models)}{keys}"
    if name == MAIN:
        yield "all that no route takes"
    if models := [alias.id for alias in config.models if alias.pipeline == name]:
        yield f"model {', '.join(models)}"


def _model(alias: AliasSettings) -> str:
    where = f"through {alias.pipeline}" if alias.pipeline else _somewhere(alias)
    own = f", with its own settings of {', '.join(alias.settings)}" if alias.settings else ""
    return f"model {alias.id}: the agent {alias.agent}, {where}{own}"


def _somewhere(alias: AliasSettings) -> str:
    """Settings are put over one pipeline, and so they choose it."""
    return f"through {MAIN}" if alias.settings else "as the routes decide"
