"""The native chat API: one message at a time, and Letta's richer events.

request     a body becomes a `Call`
shown       events become the API's own, for server-sent events and WebSocket alike
chat        POST /chat and /chat/stream       sending   a stream as server-sent events
streams     what became of a stream, taken up again, interrupted
chats       which conversation a chat is, its title      messages  what was said in it
own_agents  one agent for each user and type             agents    GET and POST /agents
"""

from __future__ import annotations
