"""What a plugin may use: Letta, the store, time. Each is a protocol, so that a test can
give its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from gateway.call import Agent


if TYPE_CHECKING:
    from loguru import Logger


class Cancellable(Protocol):
    """A callback that has been scheduled."""

    def cancel(self) -> None:
        """Do not call it."""


class Clock(Protocol):
    """Time. Tests give one that stands still until they move it."""

    def now(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Cancellable:
        """Call back at `when`, on the scale of `now`."""


class LoopClock:
    """The running event loop's clock."""

    def now(self) -> float:
        return time.monotonic()

    def call_at(self, when: float, callback: Callable[[], object]) -> Cancellable:
        delay = max(0.0, when - time.monotonic())
        return asyncio.get_running_loop().call_later(delay, callback)


class Lease(Protocol):
    """A name held by one holder at a time."""

    async def release(self) -> None:
        """Give it to the next in the queue. Doing so twice does nothing."""


class Store(Protocol):
    """
    What must outlive a request. Every plugin sees its own keys only.

    Times to live are in seconds; an expired value is as if it had never been. All raise
    `gateway.errors.StoreError` when the store does not answer.
    """

    async def read(self, key: str) -> bytes | None:
        """The value, or None."""

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Set the value, whatever was there."""

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Set the value if there is none; say whether it was set. Atomic."""

    async def take(self, key: str) -> bytes | None:
        """Read the value and delete it. Of several takers one gets it. Atomic."""

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        """
        Hold `name` until released: first come, first served.

        Args:
            wait: The longest to wait for it, in seconds.
            queue: How many may wait at once.

        Returns:
            None when it did not come in time, or the queue was full.
        """


class Letta(Protocol):
    """
    Letta, as plugins see it. All raise `gateway.errors.LettaError`, which is an answer that
    a client can be given.
    """

    async def agents(self, *, tags: Sequence[str] = ()) -> Sequence[Agent]:
        """All agents (that have one of `tags`, if any are given), oldest first."""

    async def agent(self, agent_id: str) -> Agent | None:
        """The agent with this id, or None."""

    async def create_conversation(self, agent_id: str, *, summary: str) -> str:
        """Make an empty conversation and return its id."""

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; one that is not there is no error."""

    async def kept(self, agent_id: str, conversation_id: str, otid: str) -> bool:
        """Whether Letta has kept the message that was sent with this `otid`."""


class Spawn(Protocol):
    """Run work that no request waits for. The gateway waits for it when it stops."""

    def __call__(self, work: Coroutine[Any, Any, None], /) -> None: ...


@attrs.frozen
class Services:
    """What the process offers a plugin while its `lifespan` lasts."""

    letta: Letta
    store: Store
    clock: Clock
    logger: Logger
    spawn: Spawn


@attrs.frozen
class Caller:
    """
    Who asks. `identity` tells callers apart and is safe to store; `name` is the key's name.
    """

    name: str = "anonymous"
    identity: str = "anonymous"


@attrs.frozen
class Context:
    """What is known of a request before its body is looked at."""

    request_id: str
    clock: Clock
    caller: Caller = Caller()
    surface: str = "chat_completions"
