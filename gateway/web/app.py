"""The aiohttp application: routes, and what stands around them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.live import Live
from gateway.metrics import Metrics
from gateway.services import Clock
from gateway.streams import Streams
from gateway.surfaces.chat_completions import chat_completions
from gateway.surfaces.models import get_model, list_models
from gateway.web.capacity import CAPACITY, Capacity
from gateway.web.health import Readiness, health, metrics_page
from gateway.web.middleware import Doorman
from gateway.web.request import STREAMS
from gateway.web.running import RUNNING


if TYPE_CHECKING:
    from loguru import Logger


def make_app(
    live: Live,
    readiness: Readiness,
    streams: Streams,
    metrics: Metrics,
    *,
    clock: Clock,
    logger: Logger,
    body_limit_mb: int,
    max_requests: int,
) -> web.Application:
    """All surfaces over the pipelines that are in use."""
    capacity = Capacity(max_requests, metrics.load, logger)
    doorman = Doorman(lambda: live.current, clock, logger, capacity)
    app = web.Application(middlewares=[doorman.admit], client_max_size=body_limit_mb * 1024 * 1024)
    app[STREAMS] = streams
    app[RUNNING] = doorman.running
    app[CAPACITY] = capacity
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat_completions),
            web.get("/v1/models", list_models),
            web.get(r"/v1/models/{model:.+}", get_model),
            web.get("/health", health),
            web.get("/ready", readiness.ready),
            web.get("/metrics", partial(metrics_page, metrics)),
        ]
    )
    app.on_response_prepare.append(doorman.stamp)
    return app
