"""Conversations as people look at them: their titles, and what was said in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import attrs
from letta_client import AsyncLetta, omit

from gateway.letta import failures
from gateway.letta.decode import Frame, as_text, calls_of, mappings, word


Kind: TypeAlias = Literal["user", "assistant", "reasoning", "tool_call", "tool_result"]

# What Letta itself says in the user's name: alarms, and what happened to older agents.
NOTES = frozenset({"system_alert", "heartbeat", "login"})


@attrs.frozen
class Said:
    """
    One thing that was said. Letta's message of this `id` may hold several.

    `content` is the text, of a call its arguments as JSON text, of a result what the tool gave
    back. `name` is of calls, `call_id` of calls and results, `ok` of results.
    """

    id: str
    kind: Kind
    content: str
    date: str
    name: str = ""
    call_id: str = ""
    ok: bool = True


@attrs.frozen
class ChatsAPI:
    """What is asked of Letta about conversations; it raises `LettaError`."""

    reading: AsyncLetta

    async def entitle(self, conversation_id: str, title: str) -> None:
        """Give a conversation its title: Letta calls that the summary."""
        with failures.rejects():
            await self.reading.conversations.update(conversation_id, summary=title)

    async def said(
        self, agent_id: str, conversation_id: str, *, limit: int, before: str = ""
    ) -> Sequence[Said]:
        """
        The last of what was said in a conversation, oldest first.

        Args:
            limit: How many of Letta's messages, at most.
            before: Only what was said before the message with this id.
        """
        with failures.rejects():
            page = await self.reading.conversations.messages.list(
                conversation_id,
                limit=limit,
                order="desc",
                before=before or omit,
                agent_id=agent_id if conversation_id == "default" else omit,
            )
            # Not by attributes: whatever letta-client cannot validate, it takes for another type.
            frames = [message.model_dump(mode="json") for message in page.items]
        # The agent's own conversation comes oldest first, whatever order is asked for.
        in_order = frames if conversation_id == "default" else _turned(frames)
        return [said for frame in in_order for said in _said(frame)]


def _turned(newest_first: Sequence[Frame]) -> Iterator[Frame]:
    """Oldest first; but the parts of one message have their order already."""
    groups: dict[str, list[Frame]] = {}
    for frame in newest_first:
        groups.setdefault(word(frame.get("id")), []).append(frame)
    for group in reversed(groups.values()):
        yield from group


def _said(frame: Frame) -> Iterator[Said]:
    at, date = word(frame.get("id")), word(frame.get("date"))
    match word(frame.get("message_type")):
        case "user_message" if (text := _by_user(as_text(frame.get("content")))) is not None:
            yield Said(at, "user", text, date)
        case "assistant_message":
            yield Said(at, "assistant", as_text(frame.get("content")), date)
        case "reasoning_message":
            yield Said(at, "reasoning", word(frame.get("reasoning")), date)
        case "tool_call_message" | "approval_request_message":
            for call in calls_of(frame):
                name, call_id = word(call.get("name")), word(call.get("tool_call_id"))
                yield Said(at, "tool_call", word(call.get("arguments")), date, name, call_id)
        case "tool_return_message":
            # With several returns the name beside them can belong to another call.
            for returned in mappings(frame.get("tool_returns")) or (frame,):
                output, ok = as_text(returned.get("tool_return")), returned.get("status")
                call_id = word(returned.get("tool_call_id"))
                yield Said(at, "tool_result", output, date, "", call_id, ok != "error")


def _by_user(text: str) -> str | None:
    """What the user has said; None if it was Letta."""
    if not text.startswith("{"):
        return text
    try:
        said: Any = json.loads(text)
    except ValueError:
        return text
    return None if isinstance(said, dict) and said.get("type") in NOTES else text
