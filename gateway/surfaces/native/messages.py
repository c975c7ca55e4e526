"""`GET /chat/messages`: what was said in a chat."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.errors import Reject
from gateway.letta.chats import Said
from gateway.names import meant
from gateway.surfaces.native.chat import CHATS
from gateway.surfaces.native.request import agent_in, name_in
from gateway.surfaces.openai_errors import response
from gateway.surfaces.openai_messages import refuse
from gateway.web.request import Asking, asking_of


USUAL, MOST = 50, 200


async def list_messages(request: web.Request) -> web.Response:
    """The last messages of a chat, oldest first; those before the message `before`."""
    asking, query = asking_of(request), dict(request.query)
    chat, before = name_in(query, "chat_id"), name_in(query, "before")
    if not chat:
        refuse("chat_id", "'chat_id' must name a chat.")
    if not before.isprintable():
        refuse("before", "'before' must be the id of a message.")
    limit = _limit(query)
    agent_id = await _agent(agent_in(query, "agent_id", "agent"), asking)
    chats = request.app[CHATS]
    place = await chats.place(asking.context.caller, agent_id, chat)
    if place is None:
        text = "Nothing was said to this agent in this chat through POST /chat or the WebSocket."
        raise Reject(404, "chat_not_found", text, param="chat_id", retry=False)
    said = await chats.letta.said(agent_id, place, limit=limit, before=before)
    messages = [_entry(each) for each in said]
    return response(200, {"agent_id": agent_id, "chat_id": chat, "messages": messages})


def _limit(query: dict[str, str]) -> int:
    value = query.get("limit", str(USUAL))
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MOST):
        refuse("limit", f"'limit' must be a number from 1 to {MOST}.")
    return int(value)


async def _agent(named: str, asking: Asking) -> str:
    """The id of an agent that is named as in requests; an id need not be listed."""
    models = await asking.answers.models(asking.context)
    for model in models:
        if named in {model.id, model.agent.id, *model.aliases}:
            return model.agent.id
    if named.startswith("agent-"):
        return named
    hint = meant(named, [model.id for model in models if not model.agent.own])
    text = f"There is no agent '{named}'; {hint}"
    raise Reject(404, "model_not_found", text, param="agent", retry=False)


def _entry(said: Said) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": said.id,
        "type": said.kind,
        "content": said.content,
        "date": said.date,
    }
    if said.kind == "tool_call":
        entry |= {"name": said.name, "call_id": said.call_id}
    if said.kind == "tool_result":
        entry |= {"call_id": said.call_id, "ok": said.ok}
    return entry
