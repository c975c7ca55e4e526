"""A configuration becomes a running gateway: one stack of what is open, closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from gateway.background import Background
from gateway.config import Config
from gateway.config.settings import (
    LettaSettings,
    RecordSettings,
    RedisSettings,
    ServerSettings,
    SqliteSettings,
    StoreSettings,
)
from gateway.letta.agents import AgentsAPI
from gateway.letta.chats import ChatsAPI
from gateway.letta.client import LettaAPI, connect
from gateway.live import Live
from gateway.metrics import Metrics
from gateway.pipelines import opened
from gateway.record import Folder, Recorder
from gateway.services import LoopClock, Services
from gateway.store import OpenStore, open_store
from gateway.streams import Streams
from gateway.surfaces.models import TOOL_NAMES
from gateway.surfaces.native.chats import Chats
from gateway.surfaces.native.own_agents import OwnAgents
from gateway.surfaces.native.routes import add_native
from gateway.surfaces.responses.routes import add_responses
from gateway.surfaces.websocket.answering import Desk
from gateway.surfaces.websocket.routes import add_websocket
from gateway.web.app import make_app
from gateway.web.capacity import CAPACITY
from gateway.web.console import add_console
from gateway.web.health import Readiness
from gateway.web.running import RUNNING


if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from loguru import Logger


@attrs.frozen
class Gateway:
    """An assembled gateway: the application to serve, and what it stands on."""

    app: web.Application
    live: Live
    letta: LettaAPI
    store: OpenStore


@asynccontextmanager
async def assemble(
    config: Config, logger: Logger, metrics: Metrics | None = None
) -> AsyncIterator[Gateway]:
    """
    Open the store, the client and every plugin; close them in reverse.

    Args:
        metrics: Where it counts, if others are to read it.

    Raises:
        StartError: The store cannot be opened, or a plugin's lifespan failed.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_store(config.store, logger))
        recorder = await stack.enter_async_context(_recorder(config.record, logger))
        letta = await stack.enter_async_context(_letta(config.letta, logger, recorder))
        background, metrics = Background(logger), metrics or Metrics()
        base = Services(letta, store, LoopClock(), logger, background.spawn)
        live = await stack.enter_async_context(Live(partial(opened, letta, base, metrics), logger))
        await live.use(config)
        await stack.enter_async_context(background)
        streams = await stack.enter_async_context(_streams(config.server, base))
        yield Gateway(_app(config, live, base, letta, store, streams, metrics), live, letta, store)


def _streams(settings: ServerSettings, base: Services) -> Streams:
    return Streams(
        base.store,
        base.spawn,
        base.logger,
        ttl=settings.stream_minutes * 60,
        key_ttl=settings.idempotency_minutes * 60,
        grace=settings.resume_grace_seconds,
        size=settings.stream_limit_mb * 1_000_000,
    )


def _app(
    config: Config,
    live: Live,
    base: Services,
    letta: LettaAPI,
    store: OpenStore,
    streams: Streams,
    metrics: Metrics,
) -> web.Application:
    app = make_app(
        live,
        Readiness({"letta": letta.ping, "store": store.ping}, base.logger),
        streams,
        metrics,
        clock=base.clock,
        logger=base.logger,
        body_limit_mb=config.server.body_limit_mb,
        max_requests=config.server.max_requests,
    )
    app[TOOL_NAMES] = letta.tool_names
    chats = Chats(ChatsAPI(letta.reading), store, base.spawn, base.logger)
    agents = OwnAgents(AgentsAPI(letta.client, letta.reading), store)
    add_responses(app, ttl=config.server.response_days * 86400)
    add_native(app, agents, chats)
    desk = Desk(
        lambda: live.current,
        streams,
        chats,
        agents,
        app[RUNNING],
        app[CAPACITY],
        base.clock,
        base.logger,
    )
    add_websocket(app, desk, limit_mb=config.server.body_limit_mb)
    add_console(app)
    return app


def _store(settings: StoreSettings, logger: Logger) -> AbstractAsyncContextManager[OpenStore]:
    path = settings.path if isinstance(settings, SqliteSettings) else None
    url = settings.url if isinstance(settings, RedisSettings) else None
    return open_store(settings.use, path=path, url=url, logger=logger)


def _recorder(
    settings: RecordSettings, logger: Logger
) -> AbstractAsyncContextManager[Recorder | None]:
    if not settings.directory:
        return nullcontext()
    folder = Folder(Path(settings.directory), settings.files, settings.megabytes * 1024 * 1024)
    return Recorder(folder, logger, redacted=settings.texts == "redacted")


def _letta(
    settings: LettaSettings, logger: Logger, recorder: Recorder | None
) -> AbstractAsyncContextManager[LettaAPI]:
    return connect(
        settings.base_url,
        settings.api_key,
        connect_seconds=settings.connect_seconds,
        read_seconds=settings.read_seconds,
        max_connections=settings.max_connections,
        logger=logger,
        recorder=recorder,
        background=settings.background_runs,
    )
