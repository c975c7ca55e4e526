"""`GET /v1/models` and `/v1/models/{id}`: agents as models."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from aiohttp import web

from gateway.call import Agent, Model
from gateway.errors import GatewayError, Reject
from gateway.mappings import merged
from gateway.names import near
from gateway.surfaces.openai_errors import response
from gateway.web.request import asking_of


# What such a name ends in is a client's tool, which the agent is lent for that client's request.
LENT = re.compile(r"__[0-9a-f]{14}\Z")

# The names of an agent's own tools, which Letta is asked for.
ToolNames: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
TOOL_NAMES: web.AppKey[ToolNames] = web.AppKey("tool_names")


async def list_models(request: web.Request) -> web.Response:
    """All models that the caller may use; users' own agents are not for everybody to see."""
    asking = asking_of(request)
    models = await asking.answers.models(asking.context)
    listed = [entry(model) for model in models if not model.agent.own]
    return response(200, {"object": "list", "data": listed})


async def get_model(request: web.Request) -> web.Response:
    """One model, with the names of the agent's own tools; its id may have spaces and slashes."""
    asking = asking_of(request)
    wanted = request.match_info["model"]
    models = await asking.answers.models(asking.context)
    for model in models:
        if wanted == model.id or wanted in model.aliases:
            shown = entry(model)
            tools = await _tools(request, model.agent)
            return response(200, merged(shown, {"letta": {"tools": tools}}))
    nearest = near(wanted, [model.id for model in models if not model.agent.own])
    hint = f"Did you mean: {nearest}?" if nearest else "GET /v1/models lists all there are."
    text = f"The model '{wanted}' does not exist. {hint}"
    raise Reject(404, "model_not_found", text, param="model")


async def _tools(request: web.Request, agent: Agent) -> Sequence[str] | None:
    """The names of its tools; None if Letta does not tell, which is no reason for no answer."""
    try:
        names = await request.app[TOOL_NAMES](agent.id)
        return [name for name in names if not LENT.search(name)]
    except GatewayError as exc:
        asking_of(request).logger.debug("the tools of {} are not known: {}", agent.id, exc)
        return None


def entry(model: Model) -> dict[str, Any]:
    """
    One entry. `name`, `tags` and `info` are read by Open WebUI, which configures itself from
    them: its own tools stay off (an agent has its own), usage is asked for. `letta` tells what
    the agent can do; plugins that make it able to do more say so in `Model.extra`.
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
        "letta": {
            "agent_id": agent.id,
            "agent_type": agent.type,
            "model": agent.model or None,
            "context_window": agent.context_window or None,
            "parallel_tool_calls": agent.parallel_tools,
            "client_tools": False,
            "carries": [],
        },
    }
    return merged(described, model.extra)
