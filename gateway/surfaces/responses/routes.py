"""Where the Responses API is found."""

from __future__ import annotations

from aiohttp import web

from gateway.surfaces.responses.conversations import (
    delete_conversation,
    get_conversation,
    make_conversation,
)
from gateway.surfaces.responses.create import create
from gateway.surfaces.responses.found import (
    cancel_response,
    delete_response,
    get_response,
    input_items,
)
from gateway.surfaces.responses.state import SHARED, Shared


def add_responses(app: web.Application, *, ttl: float) -> None:
    """Add the Responses API, whose responses are kept so long, to one that has its streams."""
    app[SHARED] = Shared(ttl)
    app.add_routes(
        [
            web.post("/v1/responses", create),
            web.get("/v1/responses/{response}", get_response),
            web.delete("/v1/responses/{response}", delete_response),
            web.post("/v1/responses/{response}/cancel", cancel_response),
            web.get("/v1/responses/{response}/input_items", input_items),
            web.post("/v1/conversations", make_conversation),
            web.get("/v1/conversations/{conversation}", get_conversation),
            web.delete("/v1/conversations/{conversation}", delete_conversation),
        ]
    )
