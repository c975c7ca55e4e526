"""Where the native API is found."""

from __future__ import annotations

from aiohttp import web

from gateway.surfaces.native.agents import OWN_AGENTS, list_agents, make_agent
from gateway.surfaces.native.chat import CHATS, chat, chat_stream
from gateway.surfaces.native.chats import Chats
from gateway.surfaces.native.messages import list_messages
from gateway.surfaces.native.own_agents import OwnAgents
from gateway.surfaces.native.streams import interrupt, stream_state


def add_native(app: web.Application, agents: OwnAgents, chats: Chats) -> None:
    """Add the native API to the application."""
    app[OWN_AGENTS] = agents
    app[CHATS] = chats
    app.add_routes(
        [
            web.post("/chat", chat),
            web.post("/chat/stream", chat_stream),
            web.get("/chat/messages", list_messages),
            web.get("/chat/streams/{stream}", stream_state),
            web.post("/chat/streams/{stream}/interrupt", interrupt),
            web.get("/agents", list_agents),
            web.post("/agents", make_agent),
        ]
    )
