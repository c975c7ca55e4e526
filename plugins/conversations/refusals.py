"""Requests in which there is nothing to send, and results that nobody waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from gateway.plugin import Message, Reject
from plugins.conversations import transcript


def said_of(messages: Sequence[Message]) -> tuple[Message, ...]:
    """What Letta is sent of these messages: it takes none without a word of the user's."""
    sent = transcript.sendable(messages)
    if not any(message.role == "user" for message in sent):
        refuse_silence()
    return sent


def refuse_silence() -> NoReturn:
    """The user has said nothing."""
    text = "'messages' must contain something new that is said with the role 'user'."
    raise Reject(400, "missing_user_message", text, param="messages")


def refuse_busy() -> NoReturn:
    """Somebody else is at it, or an earlier answer is not over."""
    text = "This conversation is busy with other requests. Try again when they are done."
    raise Reject(409, "conversation_busy", text, retry=False)


def refuse_results(results: Sequence[Message]) -> NoReturn:
    """No agent waits for these results."""
    which = ", ".join(result.tool_call_id or result.name or "?" for result in results)
    text = f"No tool call waits for the result of {which}: it was answered, or it has expired."
    raise Reject(400, "tool_call_not_pending", text, param="messages", retry=False)


def refuse_part(missing: Sequence[str]) -> NoReturn:
    """Calls that were made together are answered together."""
    text = f"The results of these tool calls are missing: {', '.join(missing)}."
    raise Reject(400, "tool_results_missing", text, param="messages", retry=False)
