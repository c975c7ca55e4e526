"""What a request for an answer asks of an agent, read from its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

from gateway.testing.fakeletta.replies import invalid, refuse


Mode: TypeAlias = Literal["tokens", "steps", "whole"]

_ROLES = {"user", "system", "assistant"}
_ANSWERS = {"tool_return", "approval"}
_PARTS = {"text", "image"}
_MAX_STEPS = 50
_STREAMING = (
    ("stream_tokens", True, "stream_tokens can only be true when streaming=true"),
    ("include_pings", False, "include_pings can only be set to false when streaming=true"),
    ("background", True, "background can only be true when streaming=true"),
)


@attrs.frozen
class Asked:
    """
    A request for an answer.

    `mode` is how it comes: streamed by tokens or by steps, or as one JSON body.
    """

    messages: tuple[Mapping[str, Any], ...]
    mode: Mode = "steps"
    pings: bool = True
    background: bool = False
    client_tools: tuple[str, ...] = ()
    max_steps: int = _MAX_STEPS
    only: frozenset[str] | None = None
    """The message types wanted; None: all."""
    model: str | None = None
    agent_id: str | None = None

    @property
    def otids(self) -> tuple[str, ...]:
        """The client's own ids of the messages: a retry has the same."""
        return tuple(str(each["otid"]) for each in self.messages if each.get("otid"))


def read(body: Any, *, streaming: bool) -> Asked:
    """
    Read a request's body; `streaming` is what it does unless it says.

    Raises:
        Refusal: The body is not what Letta takes.
    """
    if not isinstance(body, dict):
        raise invalid("body", "Input should be a valid dictionary")
    only = body.get("include_return_message_types")
    return Asked(
        messages=_messages(body),
        mode=_mode(body, streaming=streaming),
        pings=body.get("include_pings", True) is not False,
        background=bool(body.get("background")),
        client_tools=tuple(tool["name"] for tool in body.get("client_tools") or ()),
        max_steps=body.get("max_steps") or _MAX_STEPS,
        only=None if only is None else frozenset(only),
        model=body.get("override_model"),
        agent_id=body.get("agent_id"),
    )


def check_options(body: Mapping[str, Any]) -> None:
    """
    What only goes with streaming is refused without it.

    Raises:
        Refusal: There is something of that kind.
    """
    wrong = [what for key, value, what in _STREAMING if body.get(key) is value]
    if wrong and not body.get("streaming"):
        raise refuse(
            422,
            f"Streaming options set without streaming enabled. {'; '.join(wrong)}. Either set "
            "streaming=true or use default values for streaming options.",
        )


def _mode(body: Mapping[str, Any], *, streaming: bool) -> Mode:
    if not body.get("streaming", streaming):
        return "whole"
    return "tokens" if body.get("stream_tokens") else "steps"


def _messages(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    messages = body.get("messages")
    if messages is None and "input" in body:
        messages = [{"role": "user", "content": body["input"]}]
    if not isinstance(messages, list):
        raise invalid("messages", "Input should be a valid list")
    for message in messages:
        _check(message)
    return tuple(messages)


def _check(message: Any) -> None:
    if not isinstance(message, dict):
        raise invalid("messages", "Input should be a valid dictionary")
    if message.get("type") in _ANSWERS:
        return
    if message.get("role") not in _ROLES:
        raise invalid("messages.role", "Input should be 'user', 'system' or 'assistant'")
    content = message.get("content")
    if isinstance(content, list):
        if any(not isinstance(part, dict) or part.get("type") not in _PARTS for part in content):
            raise invalid("messages.content", "Input tag found using 'type' does not match")
    elif not isinstance(content, str):
        raise invalid("messages.content", "Input should be a valid string")
