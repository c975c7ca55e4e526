"""The configuration: flags over the environment over the file over the defaults.

Whatever is wrong with it is told at once, each problem with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from gateway.addresses import is_loopback
from gateway.config import yamlfile
from gateway.config.mistakes import At, Wrong
from gateway.config.pipelines import MAIN, Pipelines
from gateway.config.routes import AliasSettings, RouteSettings
from gateway.config.settings import (
    SHARED_STORES,
    STORES,
    File,
    Key,
    LettaSettings,
    LogSettings,
    RecordSettings,
    ServerSettings,
    StoreSettings,
)
from gateway.config.steps import BUILT_IN, StepSettings
from gateway.config.templates import TemplateSettings, shipped
from gateway.config.yamlfile import Document
from gateway.config.yamlnodes import as_text
from gateway.errors import ConfigError, Problem
from gateway.names import meant


# The plugin that decides where at Letta a chat takes place; it needs the one that finds agents.
RESOLVER = "conversation_resolver"

_DEFAULTS = "<defaults>"
_ENVIRONMENT = "<environment>"
_FLAGS = "<command line>"


@attrs.frozen
class Config:
    """
    Everything that is decided before the start.

    `pipelines` are the steps that are enabled, from the client's side to Letta's, by the
    pipeline's name; `disabled` are the ids of the others. `templates` are those that come with
    the gateway, too. `warnings` are what is allowed and probably not meant.
    """

    server: ServerSettings
    letta: LettaSettings
    store: StoreSettings
    keys: tuple[Key, ...]
    log: LogSettings
    pipelines: Mapping[str, tuple[StepSettings, ...]]
    disabled: tuple[str, ...] = ()
    models: tuple[AliasSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    record: RecordSettings = attrs.field(factory=RecordSettings)
    templates: Mapping[str, TemplateSettings] = attrs.field(factory=dict, repr=False)
    warnings: tuple[Problem, ...] = ()

    @property
    def pipeline(self) -> tuple[StepSettings, ...]:
        """The steps of `pipeline` itself."""
        return self.pipelines[MAIN]


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """
    Read the configuration and find the plugins it names. Nothing is started.

    Args:
        path: The file; None for the built-in pipeline and defaults.
        environ: For `${NAME}`, and for LETTA_BASE_URL, LETTA_API_KEY and LETTA_GATEWAY_KEY.
        overrides: What flags say, by path: `{"server.port": 8000}`. None says nothing.

    Raises:
        ConfigError: With every problem there is.
    """
    document = yamlfile.read(path, environ) if path else yamlfile.empty(_DEFAULTS)
    document = _with_flags(_with_environment(_with_pipeline(document), environ), overrides or {})
    outcome, problems = document.structure(File)
    store, store_problems = _store(document)
    pipelines = Pipelines(document)
    pipelines.read()
    problems = [*document.problems, *problems, *store_problems, *pipelines.problems]
    problems += [*_too_many_workers(document), *_repeated(document), *_unknown_keys(document)]
    problems += _exposed(document)
    if problems or store is None:
        raise ConfigError(yamlfile.unique(problems))
    return _config(outcome.value, store, pipelines, tuple(_nowhere(document, pipelines)))


def _config(
    file: File, store: StoreSettings, pipelines: Pipelines, warnings: tuple[Problem, ...]
) -> Config:
    return Config(
        file.server,
        file.letta,
        store,
        tuple(file.keys),
        file.log,
        pipelines.steps,
        tuple(pipelines.disabled),
        tuple(file.models),
        tuple(file.routes),
        file.record,
        {**shipped(), **file.templates},
        warnings,
    )


def _with_pipeline(document: Document) -> Document:
    if document.get(("pipeline",)) is not None or ("pipeline",) in document.places:
        return document
    entries = [{"use": name} for name in BUILT_IN]
    return document.put(("pipeline",), entries, source=document.place(()).file)


def _with_environment(document: Document, environ: Mapping[str, str]) -> Document:
    for name, at in (
        ("LETTA_BASE_URL", ("letta", "base_url")),
        ("LETTA_API_KEY", ("letta", "api_key")),
    ):
        if value := environ.get(name):
            document = document.put(at, value, source=_ENVIRONMENT)
    return _with_key(document, environ.get("LETTA_GATEWAY_KEY"))


def _with_key(document: Document, value: str | None) -> Document:
    keys = document.get(("keys",), [])
    if not value or not isinstance(keys, list):
        return document
    if any(isinstance(key, dict) and key.get("key") == value for key in keys):
        return document  # the file gives it a name already
    if not keys:
        document = document.put(("keys",), [], source=_ENVIRONMENT)
    entry = {"name": "env", "key": value}
    return document.put(("keys", len(keys)), entry, source=_ENVIRONMENT)


def _with_flags(document: Document, overrides: Mapping[str, object]) -> Document:
    for path, value in overrides.items():
        if value is not None:
            document = document.put(tuple(path.split(".")), value, source=_FLAGS)
    return document


def _store(document: Document) -> tuple[StoreSettings | None, list[Problem]]:
    at: At = ("store",)
    given, kind = document.get(at, {}), _kind(document)
    if not isinstance(given, str | dict):
        return None, [document.problem(at, str(Wrong.unexpected(str | dict, given)))]
    if kind not in STORES:
        what = f"there is no such store; {meant(str(kind), STORES)}"
        return None, [document.problem(at if kind is given else (*at, "use"), what)]
    if isinstance(given, str):
        return STORES[kind](), []
    outcome, problems = document.structure(STORES[kind], at)
    return outcome.value, problems


def _kind(document: Document) -> Any:
    """`store: memory`, or `store: {use: memory}`."""
    given = document.get(("store",), {})
    kind = given if isinstance(given, str) else document.get(("store", "use"), "sqlite")
    return kind if isinstance(kind, str) else None


def _too_many_workers(document: Document) -> Iterable[Problem]:
    """Not every kind of store is for several processes."""
    at: At = ("server",)
    workers = document.structure(ServerSettings, at)[0].good.get("workers", 1)
    if workers > 1 and (kind := _kind(document)) in STORES.keys() - SHARED_STORES:
        what = f"{kind} is a store for one process, and these are {workers}: use redis"
        yield document.problem((*at, "workers"), what)


def _exposed(document: Document) -> Iterable[Problem]:
    """Without a key only this machine is served."""
    host = document.structure(ServerSettings, ("server",))[0].good.get("host")
    if host is not None and not document.get(("keys",)) and not is_loopback(host):
        what = (
            f"without a key only loopback is served, and {host} is not: set"
            " LETTA_GATEWAY_KEY or keys, or listen on 127.0.0.1"
        )
        yield document.problem(("server", "host"), what)


def _repeated(document: Document) -> Iterable[Problem]:
    """Logs, limits and conversations tell callers apart by these, and clients models."""
    for section, field in (("keys", "name"), ("keys", "key"), ("models", "id")):
        seen: dict[str, At] = {}
        for entry in _entries(document, (section,)):
            at: At = (*entry, field)
            value = document.get(at)
            if isinstance(value, str) and seen.setdefault(value, at) != at:
                what = f"is the same as {as_text(seen[value])}; each has its own"
                yield document.problem(at, what)


def _unknown_keys(document: Document) -> Iterable[Problem]:
    """Routes name keys by their names."""
    names = [document.get((*at, "name")) for at in _entries(document, ("keys",))]
    known = [name for name in names if isinstance(name, str)]
    for route in _entries(document, ("routes",)):
        for at in _entries(document, (*route, "keys")):
            name = document.get(at)
            if isinstance(name, str) and name not in known:
                yield document.problem(at, f"there is no such key; {meant(name, known)}")


def _nowhere(document: Document, pipelines: Pipelines) -> Iterable[Problem]:
    """A plugin from elsewhere may do its work, so that this is no mistake."""
    for name, steps in pipelines.steps.items():
        if "/" in name or any(step.found.name == RESOLVER for step in steps):
            continue
        at: At = (MAIN,) if name == MAIN else ("pipelines", name)
        what = (
            f"{RESOLVER} is not in it: each chat gets 500 no_conversation, unless another"
            " of its plugins chooses agent and conversation"
        )
        yield document.problem(at, what, key=True)


def _entries(document: Document, at: At) -> list[At]:
    """Where the entries of a list are, if it is one."""
    found = document.get(at)
    return [(*at, index) for index in range(len(found) if isinstance(found, list) else 0)]
