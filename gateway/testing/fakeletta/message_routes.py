"""Asking agents and reading what was said: under `/v1/agents/` and `/v1/conversations/`."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from gateway.testing.fakeletta import asked, frames, wire
from gateway.testing.fakeletta.agent_routes import SDK_HEADER, STATE, agent_with, find
from gateway.testing.fakeletta.asked import Asked
from gateway.testing.fakeletta.failures import PENDING, Failure
from gateway.testing.fakeletta.faults import Fault
from gateway.testing.fakeletta.history import Stored
from gateway.testing.fakeletta.identity import well_formed
from gateway.testing.fakeletta.pages import page
from gateway.testing.fakeletta.replies import (
    Refusal,
    answer,
    body,
    invalid,
    not_found,
    refuse,
)
from gateway.testing.fakeletta.running import Place, Runner
from gateway.testing.fakeletta.state import State, cancel


RUNNER = web.AppKey("runner", Runner)
PING_SECONDS = web.AppKey("ping_seconds", float)
FAULT = web.RequestKey("fault", Fault)

_OLD_SDK = "streaming=true is only supported for SDK v1.0+ clients."


def place(request: web.Request, agent_id: str | None) -> Place:
    """
    The conversation that the path names; `default` is the agent's own, if that is named.

    Raises:
        Refusal: There is none.
    """
    named, state = request.match_info["conversation_id"], request.app[STATE]
    own = agent_id if named == "default" else named
    if own and own.startswith("agent-"):
        return Place(agent_with(state, own), locked=True)
    if named != "default" and not well_formed("conv", named):
        raise invalid("path.conversation_id", "String should match pattern '^(default|conv-…)$'")
    conversation = state.conversations.get(named)
    if conversation is None:
        raise not_found("Conversation", named)
    return Place(conversation.agent, conversation, locked=True)


async def ask_agent(request: web.Request) -> web.StreamResponse:
    """`POST /v1/agents/{id}/messages`: JSON, or a stream if the body says so."""
    agent, data = find(request), await body(request)
    wanted = asked.read(data, streaming=False)
    asked.check_options(data)
    if wanted.mode != "whole" and SDK_HEADER not in request.headers:
        raise refuse(422, _OLD_SDK)
    return await _ask(request, Place(agent), wanted)


async def ask_agent_stream(request: web.Request) -> web.StreamResponse:
    """`POST /v1/agents/{id}/messages/stream`."""
    agent = find(request)
    wanted = asked.read({**await body(request), "streaming": True}, streaming=True)
    return await _ask(request, Place(agent), wanted)


async def ask_conversation(request: web.Request) -> web.StreamResponse:
    """`POST /v1/conversations/{id}/messages`: a stream unless the body says otherwise."""
    wanted = asked.read(await body(request), streaming=True)
    return await _ask(request, place(request, wanted.agent_id), wanted)


async def list_agent_messages(request: web.Request) -> web.Response:
    """An agent's messages; of all conversations unless one is named. Oldest first, always."""
    agent, state = find(request), request.app[STATE]
    named = request.query.get("conversation_id")
    if named == "default":
        log = agent.context.log
    elif named:
        log = state.conversations[named].context.log if named in state.conversations else []
    else:
        log = state.log(agent)
    found = page(log, request.query, limit=100)
    in_order = request.query.get("order") == "asc"
    return _shown(request, found if in_order else found[::-1])


async def list_conversation_messages(request: web.Request) -> web.Response:
    """A conversation's messages, newest first unless told otherwise."""
    where = place(request, request.query.get("agent_id"))
    if where.conversation is None:
        found = _page(where.agent.context.log, request)
        return _shown(request, found if request.query.get("order") == "asc" else found[::-1])
    return _shown(request, _page(where.conversation.context.log, request))


async def cancel_agent(request: web.Request) -> web.Response:
    """Cancel the runs named; else the agent's last one, or those that go on."""
    agent, state = find(request), request.app[STATE]
    ids = (await body(request, required=False)).get("run_ids")
    if not ids:
        last = state.last(agent)
        ids = [run.id for run in ([last] if last else state.active(agent))]
    if not ids:
        raise refuse(409, f"CONFLICT: No active runs to cancel for agent {agent.id}")
    return answer({run_id: _cancel(state, run_id) for run_id in ids})


async def cancel_conversation(request: web.Request) -> web.Response:
    """Cancel the runs that go on in a conversation."""
    where, state = place(request, request.query.get("agent_id")), request.app[STATE]
    conversation_id = where.conversation.id if where.conversation else None
    runs = state.active(where.agent, conversation_id)
    if not runs:
        what = f"CONFLICT: No active runs to cancel for conversation {conversation_id}"
        raise refuse(409, what)
    return answer({run.id: _cancel(state, run.id) for run in runs})


def _page(log: list[Stored], request: web.Request) -> list[Stored]:
    """Here the cursors go by time, whichever way the page is ordered."""
    query = {name: value for name, value in request.query.items() if name in {"order", "limit"}}
    at = {message.id: number for number, message in enumerate(log)}
    first = at.get(request.query.get("after", ""), -1) + 1
    last = at.get(request.query.get("before", ""), len(log))
    return page(log[first:last], query, limit=100)


def _cancel(state: State, run_id: str) -> str:
    run = state.runs.get(run_id)
    if run is None:
        return "failed"
    cancel(run)
    # A conversation is free at once, although the run goes on until it notices.
    if run.conversation_id and state.locks.get(run.conversation_id) is run:
        del state.locks[run.conversation_id]
    return "cancelled"


async def _ask(request: web.Request, where: Place, wanted: Asked) -> web.StreamResponse:
    fault: Fault | None = request.get(FAULT) or where.agent.fault
    if where.agent.fault and fault is where.agent.fault:
        await strike(fault)
    recording = where.agent.recording
    if recording and not recording.streamed:
        return web.Response(
            status=recording.status, body=recording.data, content_type="application/json"
        )
    if wanted.mode == "whole":
        return await _whole(request, where, wanted)
    run = request.app[RUNNER].stream(where, wanted)
    reading = wire.Reading(run, 0, wanted.pings, request.app[PING_SECONDS])
    return await wire.send(request, reading, fault)


async def strike(fault: Fault) -> None:
    """
    Let a fault happen that comes before any answer.

    Raises:
        Refusal: The status that it answers with.
    """
    await asyncio.sleep(fault.latency)
    if fault.status is not None:
        raise Refusal(fault.status, fault.body)


async def _whole(request: web.Request, where: Place, wanted: Asked) -> web.Response:
    if not wanted.messages:
        raise refuse(422, "Messages must not be empty")
    try:
        return answer(await request.app[RUNNER].whole(where, wanted))
    except Failure as failure:
        if failure.detail == PENDING and where.locked:
            raise refuse(409, PENDING) from None
        return answer(failure.body, failure.status)


def _shown(request: web.Request, messages: list[Stored]) -> web.Response:
    only = request.query.getall("include_return_message_types", [])
    shown: list[dict[str, Any]] = [frame for message in messages for frame in frames.shown(message)]
    return answer([each for each in shown if not only or each["message_type"] in only])
