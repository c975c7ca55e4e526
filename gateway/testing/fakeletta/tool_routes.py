"""`/v1/tools/`, and the tools of an agent: attached, detached, made to wait for approval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import attrs
from aiohttp import web

from gateway.testing.fakeletta.agent_routes import STATE, find
from gateway.testing.fakeletta.identity import pattern, well_formed
from gateway.testing.fakeletta.pages import page
from gateway.testing.fakeletta.replies import Refusal, answer, body, invalid, not_found, refuse
from gateway.testing.fakeletta.state import approval_rule
from gateway.testing.fakeletta.tools import ServerTool


_ORGANISATION = "org-00000000-0000-4000-8000-000000000000"


async def upsert_tool(request: web.Request) -> web.Response:
    """Make a tool, or change the one of that name, whoever made it."""
    tools, data = request.app[STATE].tools, await body(request)
    if "source_code" not in data:
        raise invalid("body.source_code", "Field required")
    schema = data.get("json_schema")
    if not isinstance(schema, dict) or "name" not in schema:
        raise refuse(400, "INVALID_ARGUMENT: Failed to generate schema for tool")
    old = next((tool for tool in tools.values() if tool.name == schema["name"]), None)
    new = _made(data, schema)
    if old is not None:
        # An empty list of tags leaves them as they are.
        new = attrs.evolve(new, id=old.id, tags=new.tags or old.tags)
        _replace(request, new)
    tools[new.id] = new
    return answer(new.state)


async def list_tools(request: web.Request) -> web.Response:
    """A page of all tools, newest first unless told otherwise."""
    words = request.query.get("search", "").lower()
    every = request.app[STATE].tools.values()
    found = [tool for tool in every if words in tool.name.lower()]
    return answer([tool.state for tool in page(found, request.query, limit=50)])


async def read_tool(request: web.Request) -> web.Response:
    """One tool."""
    tool = request.app[STATE].tools.get(_named(request))
    if tool is None:
        raise not_found("Tool", _named(request))
    return answer(tool.state)


async def delete_tool(request: web.Request) -> web.Response:
    """Delete a tool: no agent has it any more. Rules that name it stay."""
    state, tool_id = request.app[STATE], _named(request)
    tool = state.tools.pop(tool_id, None)
    if tool is None:
        raise refuse(400, f"Tool with id {tool_id} not found.")
    for agent in state.agents.values():
        _drop(agent.tools, tool_id)
    return answer(None)


async def attach(request: web.Request) -> web.Response:
    """Let an agent have a tool; it may have it already."""
    agent, tool_id = find(request), _named(request)
    tool = request.app[STATE].tools.get(tool_id)
    if tool is None:
        raise _unknown(tool_id)
    agent.attach(tool)
    return answer(None)


async def detach(request: web.Request) -> web.Response:
    """Take a tool from an agent, which need not have it."""
    _drop(find(request).tools, _named(request))
    return answer(None)


async def approve(request: web.Request) -> web.Response:
    """Say whether calls of a tool wait for approval; there need not be such a tool."""
    agent, name = find(request), request.match_info["tool_name"]
    wanted = (await body(request, required=False)).get("requires_approval")
    if wanted is None:
        raise refuse(422, "requires_approval must be provided")
    if wanted and not agent.waits(name):
        agent.tool_rules.append(approval_rule(name))
    elif not wanted and agent.waits(name):
        agent.tool_rules.remove(approval_rule(name))
    return answer(None)


def _made(data: Mapping[str, Any], schema: Mapping[str, Any]) -> ServerTool:
    return ServerTool(
        name=schema["name"],
        run=_not_run_here,
        description=data.get("description") or schema.get("description") or "",
        requires_approval=bool(data.get("default_requires_approval")),
        schema=schema,
        tags=tuple(data.get("tags") or ()),
    )


def _not_run_here(**_arguments: Any) -> NoReturn:
    raise RuntimeError("FakeLetta does not run source code.")


def _replace(request: web.Request, tool: ServerTool) -> None:
    for agent in request.app[STATE].agents.values():
        if any(own.id == tool.id for own in agent.tools.values()):
            agent.tools[tool.name] = tool


def _drop(tools: dict[str, ServerTool], tool_id: str) -> None:
    for name in [tool.name for tool in tools.values() if tool.id == tool_id]:
        del tools[name]


def _named(request: web.Request) -> str:
    tool_id = request.match_info["tool_id"]
    if not well_formed("tool", tool_id):
        raise invalid("path.tool_id", f"String should match pattern '{pattern('tool')}'")
    return tool_id


def _unknown(tool_id: str) -> Refusal:
    return refuse(404, f"Tool with id={tool_id} not found in organization={_ORGANISATION}")
