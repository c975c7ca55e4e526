"""A configuration's pipelines, opened: plugins constructed, their lifespans entered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs

from gateway.background import Background
from gateway.config import Config
from gateway.config.pipelines import MAIN, own_pipeline
from gateway.config.routes import AliasSettings
from gateway.config.steps import StepSettings
from gateway.live import Generation
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline, Step
from gateway.pipeline.asked import Upstream
from gateway.pipeline.pipeline import lifespans
from gateway.plugin import Plugin
from gateway.routing import Alias, Route, Router
from gateway.services import Services
from gateway.store import Prefixed
from gateway.web.access import Access, Key


@asynccontextmanager
async def opened(
    upstream: Upstream, base: Services, metrics: Metrics, config: Config
) -> AsyncIterator[Generation]:
    """
    Open every plugin of every pipeline; close them in reverse, after what they have spawned.

    Raises:
        ConfigError: A plugin's constructor failed.
        StartError: A plugin's lifespan failed.
    """
    background = Background(base.logger)
    services = attrs.evolve(base, spawn=background.spawn)
    crew = Crew(metrics)
    router = _router(config, upstream, services, crew)
    own = [_own(services, step) for step in crew.steps]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lifespans(crew.steps, own, base.logger))
        await stack.enter_async_context(background)
        yield Generation(router, _access(config), metrics.load, config.templates)


@attrs.define
class Crew:
    """
    The plugins of all pipelines, each once: `steps` are those that have to be opened.

    Steps with the same id and settings share their plugin. So an alias that sets one step
    anew costs one plugin, and not all of them once more.
    """

    metrics: Metrics
    steps: list[Step] = attrs.field(init=False, factory=list)
    _made: list[tuple[StepSettings, Plugin[Any]]] = attrs.field(init=False, factory=list)

    def step(self, pipeline: str, wanted: StepSettings) -> Step:
        """The step of a pipeline, with a plugin of its own or a shared one."""
        shared = next((plugin for made, plugin in self._made if _same(made, wanted)), None)
        plugin = wanted.construct() if shared is None else shared
        tally = self.metrics.tally(pipeline, wanted.id)
        step = Step(wanted.id, plugin, bypass=wanted.on_failure == "bypass", tally=tally)
        if shared is None:
            self._made.append((wanted, plugin))
            self.steps.append(step)
        return step


def _same(one: StepSettings, other: StepSettings) -> bool:
    return (one.id, one.found, one.settings) == (other.id, other.found, other.settings)


def _own(base: Services, step: Step) -> Services:
    """
    The same services, with the step's own part of the store and its name in the log.

    Steps of one id share that part whatever pipeline they are in, and after a reload: a chat
    goes on when its model is answered by another pipeline.
    """
    logger = base.logger.bind(plugin=step.id)
    return attrs.evolve(base, store=Prefixed(base.store, step.id), logger=logger)


def _router(config: Config, upstream: Upstream, services: Services, crew: Crew) -> Router:
    return Router(
        {
            name: _pipeline(config, [crew.step(name, each) for each in listed], upstream, services)
            for name, listed in config.pipelines.items()
        },
        MAIN,
        [Route(each.pipeline, tuple(each.models), frozenset(each.keys)) for each in config.routes],
        {each.id: _alias(each) for each in config.models},
    )


def _pipeline(
    config: Config, running: list[Step], upstream: Upstream, services: Services
) -> Pipeline:
    return Pipeline(
        steps=running,
        upstream=upstream,
        spawn=services.spawn,
        logger=services.logger,
        keepalive=config.server.keepalive_seconds,
        cancel_on_leave=config.letta.cancel_on_disconnect,
    )


def _alias(model: AliasSettings) -> Alias:
    meta: dict[str, Any] = {}
    if model.suggestions:
        meta["suggestion_prompts"] = [{"content": text} for text in model.suggestions]
    if model.capabilities:
        meta["capabilities"] = model.capabilities
    own = own_pipeline(model.id) if model.settings else model.pipeline
    extra: Mapping[str, Any] = {"info": {"meta": meta}} if meta else {}
    return Alias(model.id, model.agent, own or None, model.description, extra)


def _access(config: Config) -> Access:
    keys = [Key(key.name, key.key) for key in config.keys]
    return Access(keys, frozenset(config.server.allow_origins))
