"""The facts of one request: what the client sent, and what Letta is to be asked.

A surface makes the first `Call` from the client's body. Each plugin's `prepare` may hand
on a changed copy (`attrs.evolve`); what comes out at the end is what Letta is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from gateway.events import Event
from gateway.mappings import merged
from gateway.settings import NO_SETTINGS, Settings
from gateway.thread import NO_THREAD, Thread


Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

# Older types run in one context whatever conversation is named.
OWN_CONVERSATIONS = frozenset({"letta_v1_agent", "sleeptime_agent"})
USER_TAG = "letta-gateway:user="  # with a user's id: the agent is that user's own

# What these types say is the argument of a tool: their token streams carry it JSON-escaped.
SPEAK_BY_TOOL = frozenset(
    {
        "memgpt_agent",
        "memgpt_v2_agent",
        "react_agent",
        "split_thread_agent",
        "voice_convo_agent",
        "workflow_agent",
    }
)
# Of these providers' streams Letta reads the argument itself, so nothing is left to undo.
READ_BY_LETTA = ("anthropic/", "bedrock/", "minimax/")


@attrs.frozen
class Agent:
    """
    A Letta agent, as far as a request needs to know it. `created` is in Unix seconds.

    Without `parallel_tools` Letta keeps the first of several calls in a step, although it streams
    all. An older type that `forgets` begins anew with each request (`message_buffer_autoclear`);
    others have their conversations. `carries`: the names of those `Settings` that a conversation
    can take to its model: see `Settings.asked`. `context_window` is in tokens, 0 if unknown.
    """

    id: str
    name: str
    type: str = "letta_v1_agent"
    description: str = ""
    tags: tuple[str, ...] = ()
    model: str = ""
    hidden: bool = False
    created: int = 0
    parallel_tools: bool = True
    forgets: bool = False
    carries: frozenset[str] = frozenset()
    context_window: int = 0

    @property
    def older(self) -> bool:
        """True for types with one context for all conversations (memgpt, react, ...)."""
        return self.type not in OWN_CONVERSATIONS

    @property
    def own(self) -> bool:
        """True for a user's own agent, of which nobody else is told."""
        return any(tag.startswith(USER_TAG) for tag in self.tags)


@attrs.frozen
class Model:
    """
    One entry of `/v1/models`.

    `aliases` are other ids under which it can be asked for. `extra` is merged into the entry:
    Open WebUI keeps unknown keys and configures itself from them.
    """

    id: str
    agent: Agent
    aliases: tuple[str, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def telling(self, extra: Mapping[str, Any]) -> Model:
        """The same, with these keys in its entry, merged with those there are."""
        return attrs.evolve(self, extra=merged(self.extra, extra))


@attrs.frozen
class Text:
    """A text part of a message."""

    text: str


@attrs.frozen
class Image:
    """
    An image part of a message: base64 `data` with its `media_type`, or a `url`.

    The gateway never fetches the URL.
    """

    media_type: str = ""
    data: str = ""
    url: str = ""


Part: TypeAlias = Text | Image


@attrs.frozen
class ToolCall:
    """A call that an assistant message of the client's history made; arguments as JSON text."""

    id: str
    name: str
    arguments: str


@attrs.frozen
class Message:
    """
    One message of the client's history, or one that Letta is sent.

    `failed` marks the result of a tool that failed.

    `otid` is an id of our own choice (a UUID) that Letta keeps with what it is sent, so that
    one can ask later whether it was kept at all.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    failed: bool = False
    otid: str | None = None

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@attrs.frozen
class Tool:
    """A function the client offers; `parameters` is its JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ToolChoice:
    """Whether the agent may, must or must not call the client's tools; `name`: it must, this."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


@attrs.frozen
class ToolAnswer:
    """What became of a pending call: its result or, where not `ok`, why there is none."""

    call_id: str
    parts: tuple[Part, ...]
    ok: bool = True


@attrs.frozen
class Pending:
    """Calls that an agent waits for; `request` is the id of the Letta message that asks."""

    request: str
    calls: tuple[ToolCall, ...]


@attrs.frozen
class Proxy:
    """A tool at Letta that stands for a client's; `used` is when it was, in Unix seconds."""

    id: str
    name: str
    used: float


@attrs.frozen
class Conversation:
    """
    Where at Letta the turn takes place.

    `id` is `conv-…`, or `default` for the agent's own. One that is not kept is a scratch
    one: its run is cancelled as soon as nobody reads it, and it is deleted afterwards.
    `settings` are those of the client's that it was made with: the agent's model has them.
    """

    id: str
    keep: bool = True
    settings: Settings = NO_SETTINGS


@attrs.frozen
class Placed:
    """A conversation as Letta lists it; `used` is when it last was, in Unix seconds."""

    id: str
    summary: str
    used: float


@attrs.frozen
class Reply:
    """
    How the answer is shown; encoders read nothing else.

    `reasoning` names the delta fields that carry reasoning (none hides it). `ignored` are
    the request's fields that nothing honours: a plugin that honours one takes it out.
    `functions` asks for OpenAI's older form of tool calls.

    `open_webui` names the frames of Open WebUI's own that a stream carries: `status` for
    `Status`, `tools` for the tools that Letta runs. No other client knows what they are.
    """

    reasoning: tuple[str, ...] = ("reasoning_content", "reasoning")
    ignored: tuple[str, ...] = ()
    functions: bool = False
    open_webui: tuple[Literal["status", "tools"], ...] = ()

    def honouring(self, fields: Collection[str]) -> Reply:
        """The same, and these fields are not ignored."""
        ignored = tuple(name for name in self.ignored if name not in fields)
        return attrs.evolve(self, ignored=ignored)


@attrs.frozen
class Call:
    """
    One request on its way down to Letta.

    `messages` is the client's whole history. `input` is what Letta is sent of it, once a
    plugin has decided that. `answer`, if set, is played instead of asking Letta at all; it
    obeys `gateway.grammar`. `headers` have lower-case names and carry no credentials.

    `pipeline` is the one that answers, where there are several. `thread` is where the request
    stands, where the surface has fields of its own for that.

    `tools`, `choice` and `parallel` are what the client asks for. `offered` are the tools
    that Letta is told the client can run; if `lent`, the agent has them as tools of its own.
    `answers` is what becomes of calls that are pending there: they go out ahead of the
    input, in the same request (but see `gateway.letta.wire`). While `must_call` is
    set, nothing is shown before one of these tools is called; an answer that ends without
    is shown only if no turn wants to ask again.

    `settings` are what the client asks of the agent's model; the `conversation` says which of
    them reached it. While `must_fit` is set, nothing is shown before the ending or a call of
    the client's tools; it is asked of a whole answer whether that is what was asked for, and
    as with `must_call` Letta may then be asked again. It must not fail, nor take long.
    """

    model: str
    messages: tuple[Message, ...]
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    stream: bool = False
    pipeline: str = ""
    thread: Thread = NO_THREAD
    agent: Agent | None = None
    conversation: Conversation | None = None
    input: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = ToolChoice()
    parallel: bool = True
    offered: tuple[Tool, ...] = ()
    lent: bool = False
    answers: tuple[ToolAnswer, ...] = ()
    must_call: frozenset[str] = frozenset()
    settings: Settings = NO_SETTINGS
    must_fit: Callable[[Sequence[Event]], bool] | None = attrs.field(default=None, repr=False)
    streaming: Literal["tokens", "steps"] = "tokens"
    reply: Reply = Reply()
    answer: tuple[Event, ...] | None = None

    @property
    def escaped(self) -> bool:
        """Whether the text that Letta streams is known to be the inside of JSON strings."""
        return (
            self.agent is not None
            and self.agent.type in SPEAK_BY_TOOL
            and self.streaming == "tokens"
            and not self.agent.model.startswith(READ_BY_LETTA)
        )
