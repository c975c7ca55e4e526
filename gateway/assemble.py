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
        clock = LoopClock()
        pipeline = Pipeline(
            steps=[
                Step(s.id, s.construct(), bypass=s.on_failure == "bypass") for s in config.pipeline
            ],
            upstream=letta,
            spawn=background.spawn,
            logger=logger,
            keepalive=config.server.keepalive_seconds,
            cancel_on_leave=config.letta.cancel_on_disconnect,
        )
        services = [
            Services(
                letta=letta,
                store=Prefixed(store, step.id),
                clock=clock,
                logger=logger.bind(plugin=step.id),
                spawn=background.spawn,
            )
            for step in pipeline.steps
        ]
        await stack.enter_async_context(pipeline.lifespan(services))
        await stack.enter_async_context(background)
        access = Access(
            [Key(key.name, key.key) for key in config.keys],
            frozenset(config.server.allow_origins),
        )
        app = make_app(
            pipeline,
            access,
            Readiness({"letta": letta.ping, "store": store.ping}),
            clock=clock,
            logger=logger,
            body_limit_mb=config.server.body_limit_mb,
        )
        yield Gateway(app, pipeline, letta, store)


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
