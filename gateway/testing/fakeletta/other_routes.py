"""`/v1/conversations/`, `/v1/runs/`, `/v1/models/` and `/v1/health/`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.testing.fakeletta import frames, wire
from gateway.testing.fakeletta.agent_routes import STATE
from gateway.testing.fakeletta.identity import instant, well_formed
from gateway.testing.fakeletta.message_routes import FAULT, PING_SECONDS, RUNNER, place
from gateway.testing.fakeletta.pages import page
from gateway.testing.fakeletta.replies import answer, body, invalid, not_found, refuse
from gateway.testing.fakeletta.state import Conversation, Run


_NOT_BACKGROUND = (
    "INVALID_ARGUMENT: Run was not created in background mode, so it cannot be retrieved."
)


async def health(request: web.Request) -> web.Response:
    """The server is there."""
    return answer({"version": request.app[STATE].version, "status": "ok"})


async def list_models(request: web.Request) -> web.Response:
    """The models that agents can have."""
    handles = request.app[STATE].models
    return answer([_model(handle) for handle in handles])


async def create_conversation(request: web.Request) -> web.Response:
    """Make an empty conversation."""
    state, agent_id = request.app[STATE], request.query.get("agent_id")
    if agent_id is None:
        raise invalid("query.agent_id", "Field required")
    if agent_id not in state.agents:
        raise refuse(404, "Agent not found")
    data = await body(request, required=False)
    conversation = Conversation(
        agent=state.agents[agent_id],
        summary=data.get("summary"),
        model=data.get("model"),
        model_settings=data.get("model_settings"),
    )
    state.conversations[conversation.id] = conversation
    return answer({**_conversation(conversation), "in_context_message_ids": []})


async def list_conversations(request: web.Request) -> web.Response:
    """Conversations, of one agent if it is named; newest first unless told otherwise."""
    agent_id, words = request.query.get("agent_id"), request.query.get("summary_search", "")
    every = request.app[STATE].conversations.values()
    mine = (each for each in every if agent_id in {None, each.agent.id})
    found = [each for each in mine if words in (each.summary or "")]
    return answer([_conversation(each) for each in page(found, request.query, limit=50)])


async def read_conversation(request: web.Request) -> web.Response:
    """One conversation."""
    return answer(_conversation(_found(request)))


async def change_conversation(request: web.Request) -> web.Response:
    """Change a conversation's summary."""
    conversation, data = _found(request), await body(request)
    if "summary" in data:
        conversation.summary = data["summary"]
    return answer(_conversation(conversation))


async def delete_conversation(request: web.Request) -> web.Response:
    """Delete a conversation."""
    del request.app[STATE].conversations[_found(request).id]
    return answer(None)


async def list_runs(request: web.Request) -> web.Response:
    """Runs, of one agent or conversation if it is named; newest first unless told otherwise."""
    query, every = request.query, request.app[STATE].runs.values()
    agent_id, conversation_id = query.get("agent_id"), query.get("conversation_id")
    going = query.get("active") == "true"
    found = [
        run
        for run in every
        if agent_id in {None, run.agent.id}
        and conversation_id in {None, run.conversation_id}
        and (run.status == "running" or not going)
    ]
    return answer([_run(run) for run in page(found, query, limit=100)])


async def read_run(request: web.Request) -> web.Response:
    """One run: whether it goes on, and how it ended."""
    return answer(_run(_found_run(request)))


async def list_run_messages(request: web.Request) -> web.Response:
    """The messages of one run, oldest first unless told otherwise."""
    run, state = _found_run(request), request.app[STATE]
    log = [message for message in state.log(run.agent) if message.run_id == run.id]
    found = page(log, request.query, limit=100, order="asc")
    return answer([frame for message in found for frame in frames.shown(message)])


async def resume_run(request: web.Request) -> web.StreamResponse:
    """Read a background run again, after the event that was seen last."""
    return await _resume(request, _found_run(request), await body(request, required=False))


async def resume_conversation(request: web.Request) -> web.StreamResponse:
    """Read a conversation's background run again, by its id or by a message's `otid`."""
    data = await body(request, required=False)
    where = place(request, data.get("agent_id"))
    run = request.app[RUNNER].known(where, data.get("run_id"), data.get("otid"))
    if run is None:
        raise refuse(404, f"No active runs found for conversation {where.key}")
    return await _resume(request, run, data)


async def _resume(request: web.Request, run: Run, data: dict[str, Any]) -> web.StreamResponse:
    if not run.background:
        raise refuse(400, _NOT_BACKGROUND)
    start, pings = data.get("starting_after") or 0, data.get("include_pings", True)
    reading = wire.Reading(run, start, pings, request.app[PING_SECONDS])
    return await wire.send(request, reading, request.get(FAULT))


def _found(request: web.Request) -> Conversation:
    conversation = place(request, None).conversation
    if conversation is None:
        raise not_found("Conversation", request.match_info["conversation_id"])
    return conversation


def _found_run(request: web.Request) -> Run:
    run_id = request.match_info["run_id"]
    if not well_formed("run", run_id):
        what = f"Invalid run ID format: {run_id}. Expected format: 'run-<uuid4>'"
        raise refuse(400, f"INVALID_ARGUMENT: {what}")
    run = request.app[STATE].runs.get(run_id)
    if run is None:
        raise not_found("Run", run_id)
    return run


def _conversation(conversation: Conversation) -> dict[str, Any]:
    window = conversation.context.window
    return {
        "created_at": conversation.created,
        "updated_at": conversation.created,
        "id": conversation.id,
        "agent_id": conversation.agent.id,
        "summary": conversation.summary,
        "in_context_message_ids": [message.id for message in window],
        "isolated_block_ids": [],
        "model": conversation.model,
        "model_settings": conversation.model_settings,
        "last_message_at": instant() if len(window) > 1 else None,
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status,
        "created_at": run.created,
        "completed_at": run.completed,
        "agent_id": run.agent.id,
        "conversation_id": run.conversation_id,
        "base_template_id": None,
        "background": run.background,
        "metadata": {"error": run.error} if run.error else {},
        "request_config": {"use_assistant_message": True},
        "stop_reason": run.stop_reason,
        "callback_url": None,
        "callback_sent_at": None,
        "callback_status_code": None,
        "callback_error": None,
        "ttft_ns": None,
        "total_duration_ns": None,
    }


def _model(handle: str) -> dict[str, Any]:
    name = handle.rpartition("/")[2]
    return {
        "handle": handle,
        "name": name,
        "display_name": name,
        "provider_type": "openai",
        "provider_name": "openai",
        "model_type": "llm",
        "model": name,
        "model_endpoint_type": "openai",
        "model_endpoint": "http://model.invalid/v1",
        "provider_category": "base",
        "context_window": 30000,
        "max_context_window": 30000,
    }
