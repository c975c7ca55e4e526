"""`/v1/agents/`: list, create, read, change, delete."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from gateway.testing.fakeletta import frames
from gateway.testing.fakeletta.identity import instant, pattern, well_formed
from gateway.testing.fakeletta.pages import page
from gateway.testing.fakeletta.replies import answer, body, invalid, no_agent, not_found, refuse
from gateway.testing.fakeletta.state import FakeAgent, State
from gateway.testing.fakeletta.tools import ServerTool


STATE = web.AppKey("state", State)
SDK_HEADER = "X-Stainless-Package-Version"

_TYPES = frozenset(
    {
        "letta_v1_agent",
        "sleeptime_agent",
        "memgpt_agent",
        "memgpt_v2_agent",
        "react_agent",
        "workflow_agent",
        "split_thread_agent",
        "voice_convo_agent",
        "voice_sleeptime_agent",
    }
)
_NAME = re.compile(r"^[\w '\-]+$")
_USER = "user-00000000-0000-4000-8000-000000000000"
_ALIKE: Mapping[str, Any] = {
    "embedding_config": None,
    "embedding": None,
    "model_settings": {"provider_type": "openai", "parallel_tool_calls": True},
    "compaction_settings": None,
    "response_format": None,
    "blocks": [],
    "sources": [],
    "identity_ids": [],
    "identities": [],
    "enable_sleeptime": None,
    "multi_agent_group": None,
    "managed_group": None,
    "last_run_completion": None,
    "last_run_duration_ms": None,
    "last_stop_reason": None,
    "timezone": "UTC",
}
_CHANGEABLE = {"name", "description", "metadata", "model", "system"}


def find(request: web.Request) -> FakeAgent:
    """
    The agent that the path names.

    Raises:
        Refusal: It is no agent's id, or there is none with it.
    """
    agent_id = request.match_info["agent_id"]
    if not well_formed("agent", agent_id):
        what = f"String should match pattern '{pattern('agent')}'"
        raise invalid("path.agent_id", what)
    return agent_with(request.app[STATE], agent_id)


def agent_with(state: State, agent_id: str) -> FakeAgent:
    """
    The agent with this id.

    Raises:
        Refusal: There is none.
    """
    agent = state.agents.get(agent_id)
    if agent is None:
        raise no_agent(agent_id)
    return agent


async def list_agents(request: web.Request) -> web.Response:
    """A page of the agents, newest first unless told otherwise."""
    every = request.app[STATE].agents.values()
    agents = page([each for each in every if _wanted(each, request)], request.query, limit=50)
    return answer([_state(agent, _includes(request)) for agent in agents])


async def create_agent(request: web.Request) -> web.Response:
    """Make an agent. Names need not be unique."""
    state, data = request.app[STATE], await body(request)
    _check_name(data.get("name", ""))
    model = data.get("model") or (data.get("llm_config") or {}).get("handle")
    if not model:
        raise refuse(400, "INVALID_ARGUMENT: Must specify either model or llm_config in request")
    if model not in state.models:
        raise refuse(404, f"NOT_FOUND: Handle {model} not found, must be one of []")
    if data.get("agent_type", "letta_v1_agent") not in _TYPES:
        raise invalid("body.agent_type", "Input should be an agent type")
    agent = _made(data, model)
    for tool_id in data.get("tool_ids") or ():
        agent.attach(state.tools[tool_id])
    for tool in _named(state, data.get("tools") or ()):
        agent.attach(tool)
    state.agents[agent.id] = agent
    return answer(_state(agent, None))


async def read_agent(request: web.Request) -> web.Response:
    """One agent."""
    return answer(_state(find(request), _includes(request)))


async def list_tools(request: web.Request) -> web.Response:
    """The tools that an agent has of its own."""
    return answer([tool.state for tool in find(request).tools.values()])


async def change_agent(request: web.Request) -> web.Response:
    """Change some of an agent's fields."""
    agent, data = find(request), await body(request)
    if "name" in data:
        _check_name(data["name"])
    for key in _CHANGEABLE & data.keys():
        setattr(agent, key, data[key])
    if "tags" in data:
        agent.tags = tuple(data["tags"])
    if "tool_rules" in data:
        agent.tool_rules = [{"prompt_template": None, **rule} for rule in data["tool_rules"]]
    agent.updated = instant()
    return answer(_state(agent, None))


async def delete_agent(request: web.Request) -> web.Response:
    """Delete an agent and its conversations."""
    state, agent_id = request.app[STATE], request.match_info["agent_id"]
    if agent_id not in state.agents:
        raise not_found("Agent", agent_id)
    state.drop_agent(state.agents[agent_id])
    return answer({"message": f"Agent id={agent_id} successfully deleted"})


def _wanted(agent: FakeAgent, request: web.Request) -> bool:
    query = request.query
    tags = query.getall("tags", [])
    fits = all if query.get("match_all_tags") == "true" else any
    return (
        query.get("name", agent.name) == agent.name
        and query.get("query_text", "").lower() in agent.name.lower()
        and (not tags or fits(tag in agent.tags for tag in tags))
        and (not agent.hidden or query.get("show_hidden_agents") == "true")
    )


def _check_name(name: str) -> None:
    if name and not _NAME.match(name):
        what = f"Export failed: Agent name '{name}' contains invalid characters."
        raise refuse(500, what)


def _named(state: State, names: Sequence[str]) -> Sequence[ServerTool]:
    """
    The tools with these names.

    Raises:
        Refusal: One of them does not exist.
    """
    known = {tool.name: tool for tool in state.tools.values()}
    if missing := set(names) - known.keys():
        raise refuse(400, f"Tools not found by name: {missing}")
    return [known[name] for name in names]


def _made(data: dict[str, Any], model: str) -> FakeAgent:
    settings = data.get("model_settings") or {}
    return FakeAgent(
        name=data.get("name") or "Unnamed",
        type=data.get("agent_type") or "letta_v1_agent",
        model=model,
        description=data.get("description"),
        tags=tuple(data.get("tags") or ()),
        parallel_tool_calls=bool(settings.get("parallel_tool_calls")),
        autoclear=bool(data.get("message_buffer_autoclear")),
        hidden=data.get("hidden"),
        metadata=data.get("metadata"),
        system=data.get("system") or "",
        blocks=tuple(data.get("memory_blocks") or ()),
    )


def _includes(request: web.Request) -> Sequence[str] | None:
    """What of the costly fields is wanted; the SDK gets none unless it asks, others all."""
    if named := request.query.getall("include", []):
        return named
    return [] if SDK_HEADER in request.headers else None


def _state(agent: FakeAgent, includes: Sequence[str] | None) -> dict[str, Any]:
    def wanted(what: str) -> bool:
        return includes is None or f"agent.{what}" in includes

    pending = agent.context.pending if wanted("pending_approval") else None
    return {
        "created_by_id": _USER,
        "last_updated_by_id": _USER,
        "created_at": agent.created,
        "updated_at": agent.updated,
        "id": agent.id,
        "name": agent.name,
        "message_ids": [message.id for message in agent.context.window],
        "system": agent.system,
        "agent_type": agent.type,
        "llm_config": _llm_config(agent),
        "model": agent.model,
        "description": agent.description,
        "metadata": agent.metadata,
        "memory": {"agent_type": agent.type, "blocks": [], "file_blocks": []},
        "tools": [tool.state for tool in agent.tools.values()] if wanted("tools") else [],
        "tags": list(agent.tags) if wanted("tags") else [],
        "tool_rules": agent.tool_rules,
        "pending_approval": frames.shown(pending)[-1] if pending else None,
        "message_buffer_autoclear": agent.autoclear,
        "hidden": agent.hidden,
        **_ALIKE,
    }


def _llm_config(agent: FakeAgent) -> dict[str, Any]:
    return {
        "model": agent.model.rpartition("/")[2],
        "model_endpoint_type": "openai",
        "model_endpoint": "http://model.invalid/v1",
        "context_window": 30000,
        "handle": agent.model,
        "parallel_tool_calls": agent.parallel_tool_calls,
    }
