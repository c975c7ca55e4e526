"""`GET /v1/models` and `/v1/models/{id}`: agents as models."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.call import Model
from gateway.errors import Reject
from gateway.mappings import merged
from gateway.names import meant
from gateway.surfaces.native.own_agents import is_own
from gateway.surfaces.openai_errors import response
from gateway.web.request import asking_of


async def list_models(request: web.Request) -> web.Response:
    """All models that the caller may use; users' own agents are not for everybody to see."""
    asking = asking_of(request)
    models = await asking.answers.models(asking.context)
    listed = [entry(model) for model in models if not is_own(model.agent)]
    return response(200, {"object": "list", "data": listed})


async def get_model(request: web.Request) -> web.Response:
    """One model; its id may have spaces and slashes."""
    asking = asking_of(request)
    wanted = request.match_info["model"]
    models = await asking.answers.models(asking.context)
    for model in models:
        if wanted == model.id or wanted in model.aliases:
            return response(200, entry(model))
    hint = meant(wanted, [model.id for model in models])
    text = f"The model '{wanted}' does not exist; {hint}"
    raise Reject(404, "model_not_found", text, param="model")


def entry(model: Model) -> dict[str, Any]:
    """
    One entry. `name`, `tags` and `info` are read by Open WebUI, which configures itself from
    them: its own tools stay off (an agent has its own), usage is asked for.
    """
    agent = model.agent
    described = {
        "id": model.id,
        "object": "model",
        "created": agent.created,
        "owned_by": "letta",
        "name": agent.name if model.id != agent.id else f"{agent.name} ({agent.id[-4:]})",
        "tags": [{"name": tag} for tag in agent.tags],
        "info": {
            "meta": {
                "description": agent.description,
                "capabilities": {
                    "builtin_tools": False,
                    "usage": True,
                    "vision": True,
                    "web_search": False,
                    "image_generation": False,
                    "code_interpreter": False,
                },
            }
        },
    }
    return merged(described, model.extra)
