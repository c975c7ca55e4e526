"""A configuration becomes a running gateway: one stack of what is open, closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from gateway.background import Background
from gateway.config import Config
from gateway.config.settings import LettaSettings, SqliteSettings, StoreSettings
from gateway.letta.client import LettaAPI, connect
from gateway.pipeline import Pipeline, Step
from gateway.services import LoopClock, Services
from gateway.store import OpenStore, Prefixed, open_store
from gateway.web.access import Access, Key
from gateway.web.app import make_app
from gateway.web.health import Readiness


if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from loguru import Logger


@attrs.frozen
class Gateway:
    """An assembled gateway: the application to serve, and what it stands on."""

    app: web.Application
    pipeline: Pipeline
    letta: LettaAPI
    store: OpenStore


@asynccontextmanager
async def assemble(config: Config, logger: Logger) -> AsyncIterator[Gateway]:
    """
    Open the store, the client and every plugin; close them in reverse.

    Raises:
        StartError: The store cannot be opened, or a plugin's lifespan failed.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_store(config.store))
        letta = await stack.enter_async_context(_letta(config.letta, logger))
        background = Background(logger)
        pipeline = _pipeline(config, letta, background, logger)
        base = Services(letta, store, LoopClock(), logger, background.spawn)
        await stack.enter_async_context(pipeline.lifespan([_own(base, s) for s in pipeline.steps]))
        await stack.enter_async_context(background)
        yield Gateway(_app(config, pipeline, base, letta, store), pipeline, letta, store)


def _own(base: Services, step: Step) -> Services:
    """The same services, with the step's own part of the store and its name in the log."""
    logger = base.logger.bind(plugin=step.id)
    return attrs.evolve(base, store=Prefixed(base.store, step.id), logger=logger)


def _pipeline(config: Config, letta: LettaAPI, background: Background, logger: Logger) -> Pipeline:
    return Pipeline(
        steps=[
            Step(step.id, step.construct(), bypass=step.on_failure == "bypass")
            for step in config.pipeline
        ],
        upstream=letta,
        spawn=background.spawn,
        logger=logger,
        keepalive=config.server.keepalive_seconds,
        cancel_on_leave=config.letta.cancel_on_disconnect,
    )


def _app(
    config: Config, pipeline: Pipeline, base: Services, letta: LettaAPI, store: OpenStore
) -> web.Application:
    keys = [Key(key.name, key.key) for key in config.keys]
    return make_app(
        pipeline,
        Access(keys, frozenset(config.server.allow_origins)),
        Readiness({"letta": letta.ping, "store": store.ping}, base.logger),
        clock=base.clock,
        logger=base.logger,
        body_limit_mb=config.server.body_limit_mb,
    )


def _store(settings: StoreSettings) -> AbstractAsyncContextManager[OpenStore]:
    path = settings.path if isinstance(settings, SqliteSettings) else None
    return open_store(settings.use, path=path)


def _letta(settings: LettaSettings, logger: Logger) -> AbstractAsyncContextManager[LettaAPI]:
    return connect(
        settings.base_url,
        settings.api_key,
        connect_seconds=settings.connect_seconds,
        read_seconds=settings.read_seconds,
        max_connections=settings.max_connections,
        logger=logger,
    )
