"""`GET` and `POST /agents`: the agents that users have of their own."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.call import Agent
from gateway.surfaces.native.own_agents import OwnAgents, Wanted, template_of, type_of
from gateway.surfaces.native.request import name_in, title_in
from gateway.surfaces.openai_errors import response
from gateway.surfaces.openai_messages import kind, refuse
from gateway.web.request import asking_of, json_body


OWN_AGENTS = web.AppKey("own_agents", OwnAgents)


async def list_agents(request: web.Request) -> web.Response:
    """The agents of `?user_id=`."""
    user_id = _user(dict(request.query))
    agents = await request.app[OWN_AGENTS].of(user_id)
    return response(200, {"agents": [_entry(agent) for agent in agents]})


async def make_agent(request: web.Request) -> web.Response:
    """The user's agent of this type: 201 if it was made now, 200 if it stood already."""
    asking = asking_of(request)
    body = await json_body(request)
    if not isinstance(body, dict):
        refuse("body", f"The body must be a JSON object, not {kind(body)}.", "invalid_type")
    agent_type = name_in(body, "agent_type")
    if not agent_type:
        refuse("agent_type", "'agent_type' must name a template.")
    template = template_of(agent_type, asking.answers.templates)
    wanted = Wanted(_user(body), agent_type, template, title_in(body, "user_name"))
    agent, made = await request.app[OWN_AGENTS].get(wanted)
    asking.note(agent=agent.id)
    return response(201 if made else 200, _entry(agent))


def _user(fields: dict[str, Any]) -> str:
    user_id = name_in(fields, "user_id").strip()
    if not user_id or not user_id.isprintable():
        refuse("user_id", "'user_id' must be text in one line that names a user.")
    return user_id


def _entry(agent: Agent) -> dict[str, str]:
    return {"agent_id": agent.id, "agent_type": type_of(agent), "name": agent.name}
