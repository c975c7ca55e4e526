"""Requests that a chat UI makes for itself: titles, tags, follow-ups, search queries.

They carry the chat's key and look like a user's message, and must never reach the agent's
memory of that chat. Open WebUI tells which they are only if it is told to (a header with
`{{TASK}}`); else they are known by their form, which an administrator may have edited.
"""

from __future__ import annotations

from gateway.plugin import Call


TASK = "### Task:"
HISTORY = "<chat_history>"
TOOL_CHOICE = "Available Tools: ["


def is_task(call: Call, header: str) -> bool:
    """Whether this is such a request. `header` names the one that says so outright."""
    named = call.headers.get(header.lower())
    if named and "{{" not in named:  # a template that nobody has filled in names no task
        return True
    if call.stream or call.tools:
        return False
    return _is_prompt(call) or _is_tool_choice(call)


def _is_prompt(call: Call) -> bool:
    # A real question about a document starts alike, but it streams and has no history in it.
    # The model's own system prompt may stand before it.
    said = [message for message in call.messages if message.role != "system"]
    if len(said) != 1 or said[0].role != "user":
        return False
    return said[0].text.startswith(TASK) and HISTORY in said[0].text


def _is_tool_choice(call: Call) -> bool:
    if len(call.messages) != 2 or call.messages[0].role != "system":
        return False
    asked = call.messages[1].text.startswith(("Query: ", "History:\n"))
    return asked and TOOL_CHOICE in call.messages[0].text
