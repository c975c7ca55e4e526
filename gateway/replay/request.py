"""What a client would have sent for Letta to be asked so, and which agent it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs

from gateway.call import OWN_CONVERSATIONS, SPEAK_BY_TOOL, Agent, Call, Conversation
from gateway.errors import StartError
from gateway.letta.decode import as_text, mappings, word
from gateway.replay.recording import Recording
from gateway.surfaces.chat_request import parse


USUAL = "letta_v1_agent"
TYPES = sorted(OWN_CONVERSATIONS | SPEAK_BY_TOOL | {"voice_sleeptime_agent"})

ROLES = frozenset({"system", "user", "assistant"})

# Where the request was an answer to tool calls, or is not known.
SOMETHING = "(what was said is not recorded)"


def agent_of(recording: Recording, kind: str | None = None) -> Agent:
    """
    The agent that answered.

    Its type is `kind`, or what was recorded, or named in the recording's name, or the usual.

    Raises:
        StartError: Letta has no such type as `kind`.
    """
    if kind is not None and kind not in TYPES:
        raise StartError(f"There is no agent type {kind}; there are {', '.join(TYPES)}")
    facts = recording.asked.get("agent")
    known = facts if isinstance(facts, Mapping) else {}
    named = (each for each in TYPES if f"-{each}-" in f"-{recording.name}-")
    return Agent(
        id=word(known.get("id")),
        name=recording.name,
        type=kind or word(known.get("type")) or next(named, USUAL),
        model=word(known.get("model")),
        parallel_tools=bool(known.get("parallel_tools", True)),
    )


def streaming_of(recording: Recording) -> Literal["tokens", "steps"]:
    """How Letta was asked to stream."""
    return "tokens" if _body(recording).get("stream_tokens", True) else "steps"


def body_of(recording: Recording, model: str) -> Mapping[str, Any]:
    """The body of a client's request."""
    body = _body(recording)
    said = list(_said(body))
    if not any(message["role"] == "user" for message in said):
        said.append({"role": "user", "content": SOMETHING})
    tools = [{"type": "function", "function": tool} for tool in _tools(body)]
    usage = {"include_usage": True}
    asked = {"model": model, "messages": said, "stream": True, "stream_options": usage}
    return {**asked, "tools": tools} if tools else asked


def call_of(recording: Recording, agent: Agent, model: str) -> Call:
    """
    The call with which the pipeline begins.

    A pipeline may consist of one plugin alone, which nobody tells the agent: so it is here.
    """
    call = parse(body_of(recording, model), {}).call
    place = Conversation("default")
    return attrs.evolve(call, agent=agent, conversation=place, streaming=streaming_of(recording))


def _body(recording: Recording) -> Mapping[str, Any]:
    body = recording.asked.get("body")
    return body if isinstance(body, Mapping) else {}


def _said(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for message in mappings(body.get("messages")):
        if message.get("role") in ROLES:
            yield {"role": message["role"], "content": as_text(message.get("content"))}
    if text := as_text(body.get("input")):
        yield {"role": "user", "content": text}


def _tools(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    fields = ("name", "description", "parameters")
    offered = mappings(body.get("client_tools"))
    return [{field: tool[field] for field in fields if tool.get(field)} for tool in offered]
