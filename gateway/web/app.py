"""The aiohttp application: routes, and what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.pipeline import Pipeline
from gateway.services import Clock
from gateway.surfaces.chat_completions import chat_completions
from gateway.surfaces.models import get_model, list_models
from gateway.web.access import Access
from gateway.web.health import Readiness, health
from gateway.web.middleware import Doorman


if TYPE_CHECKING:
    from loguru import Logger


def make_app(
    pipeline: Pipeline,
    access: Access,
    readiness: Readiness,
    *,
    clock: Clock,
    logger: Logger,
    body_limit_mb: int,
) -> web.Application:
    """All surfaces over one pipeline."""
    doorman = Doorman(access, pipeline, clock, logger)
    app = web.Application(middlewares=[doorman.admit], client_max_size=body_limit_mb * 1024 * 1024)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat_completions),
            web.get("/v1/models", list_models),
            web.get(r"/v1/models/{model:.+}", get_model),
            web.get("/health", health),
            web.get("/ready", readiness.ready),
        ]
    )
    app.on_response_prepare.append(doorman.stamp)
    return app
