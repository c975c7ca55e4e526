"""What Letta is sent: a call becomes the body and path of a streaming request."""

from __future__ import annotations

from typing import Any

from gateway.call import Agent, Call, Conversation, Image, Message, Part


def path_of(conversation: Conversation) -> str:
    """Where the message goes. These paths have a lock; `/agents/{id}/messages` has none."""
    return f"/v1/conversations/{conversation.id}/messages"


def body_of(call: Call, agent: Agent, conversation: Conversation) -> dict[str, Any]:
    """The body: pings always, since without them not even the headers come."""
    body: dict[str, Any] = {
        "messages": [message_of(message) for message in call.input],
        "streaming": True,
        "stream_tokens": call.streaming == "tokens",
        "include_pings": True,
    }
    if conversation.id == "default":
        body["agent_id"] = agent.id
    return body


def message_of(message: Message) -> dict[str, Any]:
    """One input message; a single text is sent as a string."""
    sent: dict[str, Any] = {"role": message.role, "content": _content(message.parts)}
    if message.name is not None:
        sent["name"] = message.name
    if message.otid is not None:
        sent["otid"] = message.otid
    return sent


def _content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    if len(parts) == 1 and not isinstance(parts[0], Image):
        return parts[0].text
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    if not isinstance(part, Image):
        return {"type": "text", "text": part.text}
    source = {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.url:
        source = {"type": "url", "url": part.url}
    return {"type": "image", "source": source}
