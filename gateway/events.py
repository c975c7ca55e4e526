"""The events of one answer: everything that can happen between a Letta agent and a client.

The set is closed. Decoders make these, plugins pass or change them, encoders `match` on
them and end in `assert_never`. Do not subclass them: nothing would know what to do.

A stream obeys `gateway.grammar`:

    (TextDelta | ReasoningDelta | ToolCallStart | ToolArgsDelta | ToolResult | Status | Ping)*
    Usage? (Finish | Error)
"""

from __future__ import annotations

from typing import Literal, TypeAlias, final, get_args

import attrs


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@final
@attrs.frozen
class TextDelta:
    """
    A piece of the answer's text, cut anywhere.

    `message` is the id of the Letta message it belongs to. A change of it is a boundary
    between two messages; encoders write it as a blank line unless the text has one.
    """

    text: str
    message: str


@final
@attrs.frozen
class ReasoningDelta:
    """
    A piece of the model's reasoning, cut anywhere.

    `hidden` marks reasoning that the model's provider withholds or redacts; its text may
    then be empty, which says only that reasoning took place.
    """

    text: str
    message: str
    hidden: bool = False


@final
@attrs.frozen
class ToolCallStart:
    """
    The agent begins to call a tool.

    `client_side` calls are returned to the client, who runs them and sends the result in a
    later request. All others Letta runs itself, and a client must never see them as
    OpenAI `tool_calls`: it would try to run them.
    """

    call_id: str
    name: str
    client_side: bool = False


@final
@attrs.frozen
class ToolArgsDelta:
    """A fragment of the JSON text of a call's arguments."""

    call_id: str
    json: str


@final
@attrs.frozen
class ToolResult:
    """What a tool that Letta ran gave back. `ok` is false when the tool failed."""

    call_id: str
    output: str
    ok: bool = True


@final
@attrs.frozen
class Status:
    """A line for people: "Thinking…", "Using archival_memory_search…". `done` clears it."""

    text: str
    done: bool = False


@final
@attrs.frozen
class Usage:
    """
    Tokens of the whole answer, all its steps together. At most once, before the ending.

    `cached` and `reasoning` are parts of `prompt` and `completion`, and None where the
    model's provider does not tell.
    """

    prompt: int
    completion: int
    cached: int | None = None
    reasoning: int | None = None
    steps: int = 1


@final
@attrs.frozen
class Finish:
    """The answer is whole."""

    reason: FinishReason = "stop"


@final
@attrs.frozen
class Error:
    """
    The answer failed; what came before it stands.

    `status`, `type`, `code` and `message` are what an OpenAI client is told. `rolled_back`
    is true when Letta is known to have kept nothing of the turn, so that sending the same
    message again is safe.
    """

    status: int
    type: str
    code: str
    message: str
    rolled_back: bool = False


@final
@attrs.frozen
class Ping:
    """Letta is alive. It releases nothing that a stage holds."""


Event: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ToolCallStart
    | ToolArgsDelta
    | ToolResult
    | Status
    | Usage
    | Finish
    | Error
    | Ping
)
Ending: TypeAlias = Finish | Error

EVENTS = frozenset(get_args(Event))
"""All classes of events, for checks at run time."""

PIECES: frozenset[type[Event]] = frozenset((TextDelta, ReasoningDelta, Status, Ping))
"""The classes that any number of which may come in any order: nearly all of an answer."""

ENDINGS = (Finish, Error)
"""The classes that end a stream, for `isinstance`."""
