"""The plugin interface: three lifetimes, three classes.

    Config   from YAML, frozen, one per use in the pipeline
    Plugin   the process: made once, `lifespan` holds what it opens
    Turn     one request: `prepare` going down, `feed` and `flush` coming up

A plugin is found by its entry point in the group `letta_gateway.plugins`, or by its path
`package.module:Class`. Requests go down the YAML list, events come up it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import ClassVar, Generic, TypeVar, get_args, get_origin

import attrs

from gateway.call import (
    Agent,
    Call,
    Conversation,
    Image,
    Message,
    Model,
    Part,
    Pending,
    Placed,
    Proxy,
    Reply,
    Text,
    Tool,
    ToolAnswer,
    ToolCall,
    ToolChoice,
)
from gateway.errors import Reject
from gateway.events import Error, Event, Finish
from gateway.services import Caller, Clock, Context, Lease, Letta, Services, Store
from gateway.settings import NO_SETTINGS, Settings
from gateway.thread import Thread


__all__ = [
    "NO_SETTINGS",
    "Agent",
    "Call",
    "Caller",
    "Clock",
    "Context",
    "Conversation",
    "Image",
    "Lease",
    "Letta",
    "Message",
    "Model",
    "NoConfig",
    "Part",
    "Pending",
    "Placed",
    "Plugin",
    "Proxy",
    "Reject",
    "Reply",
    "Services",
    "Settings",
    "Store",
    "Text",
    "Thread",
    "Tool",
    "ToolAnswer",
    "ToolCall",
    "ToolChoice",
    "Turn",
]


@attrs.frozen
class NoConfig:
    """The config of a plugin that has no settings."""


C = TypeVar("C")


class Turn:
    """A plugin's part in one request. The base passes everything on unchanged."""

    idle: bool = False
    """Set it in `prepare` where there is nothing to do: no event comes by then, at no cost."""

    passes: frozenset[type[Event]] = frozenset()
    """
    Of `gateway.events.PIECES`, the kinds that `feed` only passes on. Where nothing else has come,
    it is not asked, and they go by it at no cost. Not while they would overtake what is held.
    """

    async def prepare(self, call: Call) -> Call:
        """
        Look at the request before Letta is asked; hand on a changed copy if need be.

        Raises:
            Reject: Answer the request with this error instead.
        """
        return call

    def feed(self, event: Event) -> Iterable[Event]:
        """Take an event from Letta's side, give what goes on to the client's. No I/O."""
        return (event,)

    def flush(self) -> Iterable[Event]:
        """Let go what is held: the ending comes next. Called once."""
        return ()

    def due(self) -> float | None:
        """When `release` is to be called, on `Context.clock`; None while nothing is held."""
        return None

    def release(self) -> Iterable[Event]:
        """Let go what has been held for too long. Called at the time that `due` named."""
        return ()

    async def again(self, call: Call, ending: Finish | Error) -> Call | None:
        """
        Ask Letta once more after an `Error`, or not (None).

        At most once a request, and only while the client has been sent nothing. The error
        is fed to the turns only if none of them asks again. The `ending` is a `Finish` only
        when the answer lacks a call that `Call.must_call` asks for or, where that is empty, is
        not what `Call.must_fit` wants.
        """
        return None

    async def settle(self) -> None:
        """
        The answer is whole and Letta has kept it: persist.

        The client waits for this (5 s at most) before it learns that the answer is over.
        """

    async def abandon(self) -> None:
        """Any other end, an `Error` included: undo what `prepare` did (5 s at most)."""


class Plugin(Generic[C]):
    """
    A step of the pipeline.

    The parameter is the config class, and the only statement of it: `Plugin[Config]`.
    Construction has no side effects; `lifespan` opens and closes what the process needs.
    """

    essential: ClassVar[bool] = True
    """What `on_failure` is unless the YAML says: True fails the request, False bypasses."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Names of plugins that must stand above this one, nearer to the client."""

    before: ClassVar[frozenset[str]] = frozenset()
    """Names of plugins that this one must stand above, where they are in the pipeline."""

    def __init__(self, config: C) -> None:
        self.config = config

    def lifespan(self, services: Services) -> AbstractAsyncContextManager[None]:
        """Entered at start in the list's order, left in reverse."""
        return nullcontext()

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        """The models that `/v1/models` lists: add to, change or drop what was `found` above."""
        return found

    def chat(self, call: Call) -> str:
        """The chat that a request names, or "". The first plugin that knows one decides."""
        return ""

    def begin(self, context: Context) -> Turn:
        """A turn for one request."""
        return Turn()

    def wrap(
        self, flow: AsyncGenerator[Event, None], context: Context
    ) -> AsyncGenerator[Event, None]:
        """
        For I/O between events: take the flow from Letta's side, give the one that goes on.

        Override this only if `feed` cannot do the work; it costs a task per stream. What it
        gives goes through this plugin's own turn, if it has one.
        """
        return flow

    @classmethod
    def config_class(cls) -> type:
        """The class its settings are read into."""
        for base in cls.__mro__:
            for generic in base.__dict__.get("__orig_bases__", ()):
                if get_origin(generic) is Plugin:
                    (argument,) = get_args(generic)
                    if isinstance(argument, type):
                        return argument
                    if isinstance(argument, TypeVar):
                        continue
                    raise TypeError(f"{cls.__name__}: write the class itself: Plugin[Config]")
        return NoConfig
