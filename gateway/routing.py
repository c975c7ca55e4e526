"""Which pipeline answers a request: decided by the model that is asked for, and by who asks.

    alias's own pipeline  →  the first route that fits  →  the main pipeline

A route's patterns are held against every name that an agent has, so that nobody gets round
one by asking for the agent's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from typing import Any

import attrs

from gateway.call import Call, Model
from gateway.mappings import merged
from gateway.pipeline import Pipeline
from gateway.pipeline.exchange import Exchange
from gateway.services import Context


# A route's lookup of a name may be so old; a name that is not known is looked up sooner.
LISTED_SECONDS = 30.0
FRESH_SECONDS = 1.0


@attrs.frozen
class Alias:
    """
    A model that stands for another: `agent` is what the pipeline knows it by.

    Without a `pipeline` the routes decide. `extra` is merged into its entry in `/v1/models`.
    """

    id: str
    agent: str
    pipeline: str | None = None
    description: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Route:
    """Another pipeline for these models and callers; no `keys` are all of them."""

    pipeline: str
    models: tuple[str, ...] = ("*",)
    keys: frozenset[str] = frozenset()

    def serves(self, caller: str) -> bool:
        """Whether it is for this caller."""
        return not self.keys or caller in self.keys

    def takes(self, names: Iterable[str]) -> bool:
        """Whether it is for a model with these names."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.models)


@attrs.define
class Router:
    """All pipelines of a gateway, and what chooses among them."""

    pipelines: Mapping[str, Pipeline]
    main: str
    routes: Sequence[Route] = ()
    aliases: Mapping[str, Alias] = attrs.field(factory=dict)
    _directory: Directory = attrs.field(init=False)

    @_directory.default
    def _new_directory(self) -> Directory:
        return Directory(self.pipelines)

    @property
    def keepalive(self) -> float:
        """As `Pipeline.keepalive`; all of them have the same."""
        return self.pipelines[self.main].keepalive

    @property
    def cancel_on_leave(self) -> bool:
        """As `Pipeline.cancel_on_leave`."""
        return self.pipelines[self.main].cancel_on_leave

    def in_use(self) -> AbstractContextManager[None]:
        """As `Pipeline.in_use`."""
        return nullcontext()

    async def chat(self, call: Call, context: Context) -> str:
        """As `Pipeline.chat`, of the pipeline that answers."""
        pipeline, asked = await self._chosen(call, context)
        return await pipeline.chat(asked, context)

    async def begin(self, call: Call, context: Context) -> Exchange:
        """
        Prepare a request in its pipeline, and start to ask Letta.

        Raises:
            Reject: As `Pipeline.begin`.
        """
        pipeline, asked = await self._chosen(call, context)
        return await pipeline.begin(asked, context)

    async def models(self, context: Context) -> Sequence[Model]:
        """What the caller can ask for, each as its pipeline lists it; aliases come last."""
        if not self.routes and not self.aliases:
            return await self.pipelines[self.main].models(context)
        found: dict[str, Model] = {}
        for name in self._open_to(context):
            for model in await self._directory.read(name, context):
                if await self._name(model.id, context) == name:
                    found.setdefault(model.id, model)
        for alias in self.aliases.values():
            name = await self._name(alias.id, context)
            await self._directory.read(name, context)
            behind = await self._directory.find(name, alias.agent, context)
            if behind is not None:
                found[alias.id] = _shown(alias, behind)
        return list(found.values())

    async def _chosen(self, call: Call, context: Context) -> tuple[Pipeline, Call]:
        """The pipeline, and the request as it knows it."""
        if len(self.pipelines) == 1 and not self.aliases:
            return self.pipelines[self.main], call
        name, alias = await self._name(call.model, context), self.aliases.get(call.model)
        model = call.model if alias is None else alias.agent
        return self.pipelines[name], attrs.evolve(call, model=model, pipeline=name)

    async def _name(self, model: str, context: Context) -> str:
        alias = self.aliases.get(model)
        if alias is not None and alias.pipeline is not None:
            return alias.pipeline
        for route in self.routes:
            if not route.serves(context.caller.name):
                continue
            if route.takes(await self._names(model, alias, route, context)):
                return route.pipeline
        return self.main

    async def _names(
        self, model: str, alias: Alias | None, route: Route, context: Context
    ) -> Sequence[str]:
        """All that the model is called, and its agent, where the route leads or else here."""
        if route.models == ("*",):
            return [model]
        agent = model if alias is None else alias.agent
        for pipeline in (route.pipeline, self.main):
            if found := await self._directory.find(pipeline, agent, context):
                return [model, agent, *_names(found)]
        return [model, agent]

    def _open_to(self, context: Context) -> list[str]:
        routes = [route.pipeline for route in self.routes if route.serves(context.caller.name)]
        return list(dict.fromkeys([self.main, *routes]))


@attrs.frozen
class Listing:
    """What a pipeline lists for a caller; `at` is when it was read, on the gateway's clock."""

    models: Sequence[Model]
    by_name: Mapping[str, Model]
    at: float


@attrs.define
class Directory:
    """
    The models that pipelines list, by all of their names; of two with one name, the first.

    A name that is not known is looked for in a list that is fresh; one that is, in any list
    that is not older than `LISTED_SECONDS`: so that a route costs no listing for each request.
    """

    pipelines: Mapping[str, Pipeline]
    _listings: dict[tuple[str, str], Listing] = attrs.field(init=False, factory=dict)

    async def read(self, pipeline: str, context: Context) -> Sequence[Model]:
        """What this pipeline lists now."""
        models = await self.pipelines[pipeline].models(context)
        by_name = {name: model for model in reversed(models) for name in _names(model)}
        key = (pipeline, context.caller.name)
        self._listings[key] = Listing(models, by_name, context.clock.now())
        return models

    async def find(self, pipeline: str, model: str, context: Context) -> Model | None:
        """The model of this name."""
        key = (pipeline, context.caller.name)
        known = self._listings.get(key)
        age = float("inf") if known is None else context.clock.now() - known.at
        if known is None or age > (LISTED_SECONDS if model in known.by_name else FRESH_SECONDS):
            await self.read(pipeline, context)
        return self._listings[key].by_name.get(model)


def _names(model: Model) -> Sequence[str]:
    return (model.id, *model.aliases, model.agent.id, model.agent.name)


def _shown(alias: Alias, model: Model) -> Model:
    agent = model.agent
    if alias.description is not None:
        agent = attrs.evolve(agent, description=alias.description)
    extra = merged(merged(model.extra, {"name": alias.id}), alias.extra)
    return Model(alias.id, agent, extra=extra)
