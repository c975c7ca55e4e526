"""The client's history, as Letta can be sent it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import attrs

from gateway.plugin import Message, Text, ToolCall
from plugins.calls.ids import is_ours


def user_turns(messages: Sequence[Message]) -> int:
    """How many times the user has spoken: a turn's place in a chat, whatever its text."""
    return sum(message.role == "user" for message in messages)


def since(messages: Sequence[Message], turn: int) -> Sequence[Message]:
    """What was said from the user's turn number `turn` (from 1) on, without system messages."""
    spoken = 0
    for i, message in enumerate(messages):
        spoken += message.role == "user"
        if spoken == turn:
            return [later for later in messages[i:] if later.role != "system"]
    return ()


def results(messages: Sequence[Message]) -> Sequence[Message]:
    """
    The results, since the assistant last spoke, of tool calls that a gateway gave out.

    OpenAI's older form names the function and no call: it may be one of ours.
    """
    return [
        message
        for message in _fresh(messages)
        if message.role == "tool"
        and (message.tool_call_id is None or is_ours(message.tool_call_id))
    ]


def answered(messages: Sequence[Message]) -> Sequence[Message]:
    """Those of them that say which call they are the results of."""
    return [message for message in results(messages) if message.tool_call_id is not None]


def beside_results(messages: Sequence[Message]) -> Sequence[Message]:
    """What the user says together with results."""
    return [message for message in _fresh(messages) if message.role == "user"]


def only_results(messages: Sequence[Message]) -> Sequence[Message]:
    """The results that are all there is since the assistant last spoke, whosever they are."""
    fresh = _fresh(messages)
    return () if beside_results(messages) else [each for each in fresh if each.role == "tool"]


def _fresh(messages: Sequence[Message]) -> Sequence[Message]:
    spoken = [i for i, message in enumerate(messages) if message.role == "assistant"]
    return messages[spoken[-1] + 1 :] if spoken else messages


def last_user(messages: Sequence[Message]) -> Sequence[Message]:
    """The user's last message alone, or nothing."""
    spoken = [message for message in messages if message.role == "user"]
    return spoken[-1:]


def system(messages: Sequence[Message]) -> Sequence[Message]:
    """The client's system messages."""
    return [message for message in messages if message.role == "system"]


def digest(messages: Sequence[Message]) -> str:
    """A fingerprint of system messages, to tell whether they have changed; "" for none."""
    texts = "\0".join(message.text for message in messages)
    return hashlib.sha256(texts.encode(errors="surrogatepass")).hexdigest() if messages else ""


def sendable(messages: Sequence[Message]) -> tuple[Message, ...]:
    """
    The same as Letta takes it: it knows no tool messages in an input, and no empty ones.

    Tool calls and results of older rounds become marked text, so that nothing is lost.
    """
    return tuple(sent for message in messages for sent in _sendable(message))


def marked(messages: Sequence[Message], otid: str) -> tuple[Message, ...]:
    """
    The same, with an id by which Letta can be asked whether it has kept them.

    It goes with the user's last message: to assistants' messages Letta gives ids of its own.
    """
    last = max(i for i, message in enumerate(messages) if message.role == "user")
    return tuple(
        attrs.evolve(message, otid=otid) if i == last else message
        for i, message in enumerate(messages)
    )


def _sendable(message: Message) -> Iterator[Message]:
    if message.role == "tool":
        which = f"call {message.tool_call_id}" if message.tool_call_id else message.name
        yield Message("user", (Text(f"[Result of the tool {which}]\n"), *message.parts))
        return
    parts = tuple(part for part in message.parts if part != Text(""))
    parts += tuple(
        Text(f"\n[Called the tool {_named(call)}: {call.arguments}]") for call in message.tool_calls
    )
    if parts:
        yield attrs.evolve(message, parts=parts, tool_calls=())


def _named(call: ToolCall) -> str:
    return f"{call.name} as {call.id}" if call.id else call.name
