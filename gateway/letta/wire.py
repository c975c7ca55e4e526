"""What Letta is sent: a call becomes the path and the bodies of streaming requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs

from gateway.call import Agent, Call, Conversation, Image, Message, Part, Tool, ToolAnswer


# The only word that older types have for an answer is no.
RAN = "It was not denied: the user's own program has run the tool, and this is the result."

# What Letta itself keeps of a tool's result, in characters. Of a reason it keeps everything.
LONGEST = 50_000


def path_of(agent: Agent, conversation: Conversation) -> str:
    """
    Where the message goes. Letta locks conversations while they are spoken to.

    The agent's own is the exception: its lock would outlive a run that is cancelled by five
    minutes. So it is spoken to without one, and the gateway's queue has to do.
    """
    if conversation.id == "default":
        return f"/v1/agents/{quote(agent.id, safe='')}/messages"
    return f"/v1/conversations/{quote(conversation.id, safe='')}/messages"


def bodies_of(call: Call, agent: Agent) -> Sequence[Mapping[str, Any]]:
    """
    What is to be sent, one after the other; the last is what the client hears of.

    One body, but for an older type that is given an answer and a message: it looks for an
    answer at the very end only, and would keep the call without a result for ever.
    """
    if not agent.older or not call.answers:
        return (body_of(call),)
    answer = {**body_of(call), "messages": [denial_of(call.answers[0])]}
    if not call.input:
        return (answer,)
    # The answer takes a step of its own. With no more of them the model is not asked.
    return ({**answer, "max_steps": 1}, body_of(attrs.evolve(call, answers=())))


def body_of(call: Call) -> dict[str, Any]:
    """The body: pings always, since without them not even the headers come."""
    # The answers to pending calls come first, all in one: Letta refuses any other order.
    answers = [answers_of(call.answers)] if call.answers else []
    body: dict[str, Any] = {
        "messages": [*answers, *(message_of(message) for message in call.input)],
        "streaming": True,
        "stream_tokens": call.streaming == "tokens",
        "include_pings": True,
    }
    if call.offered and not call.lent:
        body["client_tools"] = [tool_of(tool) for tool in call.offered]
    if call.body.get("enable_thinking") is False:
        body["enable_thinking"] = "false"  # it is text there
    return body


def answers_of(answers: Sequence[ToolAnswer]) -> dict[str, Any]:
    """What became of the calls that are pending."""
    return {"type": "tool_return", "tool_returns": [_answer(answer) for answer in answers]}


def denial_of(answer: ToolAnswer) -> dict[str, Any]:
    """The answer to an older type, which has one call at a time: its reason is the result."""
    whole = "\n".join(_told(part) for part in answer.parts)
    rest = len(whole) - LONGEST
    reason = f"{whole[:LONGEST]}... [truncated {rest} chars]" if rest > 0 else whole
    return {
        "type": "approval",
        "approve": False,
        "approval_request_id": answer.call_id,
        "reason": f"{RAN}\n{reason}" if answer.ok else reason,
    }


def tool_of(tool: Tool) -> dict[str, Any]:
    """A tool that the client runs."""
    parameters = dict(tool.parameters) or {"type": "object", "properties": {}}
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def message_of(message: Message) -> dict[str, Any]:
    """One input message; a single text is sent as a string."""
    sent: dict[str, Any] = {"role": message.role, "content": _content(message.parts)}
    if message.name is not None:
        sent["name"] = message.name
    if message.otid is not None:
        sent["otid"] = message.otid
    return sent


def _answer(answer: ToolAnswer) -> dict[str, Any]:
    return {
        "type": "tool",
        "tool_call_id": answer.call_id,
        "tool_return": _content(answer.parts) if answer.parts else "",
        "status": "success" if answer.ok else "error",
    }


def _told(part: Part) -> str:
    return "[an image, which cannot be shown here]" if isinstance(part, Image) else part.text


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
