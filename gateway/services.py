"""What a plugin may use: Letta, the store, time. Each is a protocol, so that a test can
give its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from gateway.call import Agent, Pending, Placed, Proxy, Tool
from gateway.settings import NO_SETTINGS, Settings


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

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        """
        Add to the end of a log, and wake those who wait in `read_from`. Atomic.

        Args:
            items: In their order. None of them only lengthens the log's life.
            ttl: Seconds from now after which the whole log is gone.
            limit: The oldest items go while all together are larger, in bytes.
        """

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        """
        The items of a log behind that with the number `after`, each with its number.

        They count from 1; a number that is missing belongs to an item that had to go. If
        there are none, the first is waited for, `wait` seconds at most. Logs and values of
        the same key have nothing to do with each other.
        """


class Proxies(Protocol):
    """
    Tools at Letta that stand for a client's: they only wait for its answer.

    They belong to everybody there, by name. Agents are lent them for the time of a request.
    """

    async def make(self, tool: Tool) -> str:
        """Make a proxy, or note that the one of this name is in use; its id."""

    async def all(self) -> Sequence[Proxy]:
        """All proxies, whoever made them."""

    async def delete(self, proxy_id: str) -> None:
        """Delete a proxy; one that is not there is no error."""

    async def awaited(self) -> Mapping[str, Sequence[str]]:
        """By agent, the names of tools whose calls wait for approval: proxies and others."""

    async def lend(
        self, agent_id: str, proxies: Mapping[str, str], *, ending: str
    ) -> Sequence[str]:
        """
        Let the agent have these proxies, and no others whose names end so.

        Args:
            proxies: Their ids by their names.

        Returns:
            The names of those that do not exist any more.
        """


class Letta(Protocol):
    """
    Letta, as plugins see it. All raise `gateway.errors.LettaError`, which is an answer that
    a client can be given.
    """

    @property
    def proxies(self) -> Proxies:
        """Tools that stand for a client's."""

    async def version(self) -> str:
        """Which version Letta says it is; empty if it says nothing."""

    async def agents(self, *, tags: Sequence[str] = ()) -> Sequence[Agent]:
        """All agents (that have one of `tags`, if any are given), oldest first."""

    async def agent(self, agent_id: str) -> Agent | None:
        """The agent with this id, or None."""

    async def create_conversation(
        self, agent_id: str, *, summary: str, settings: Settings = NO_SETTINGS
    ) -> str:
        """
        Make an empty conversation and return its id.

        Args:
            settings: What its model has otherwise than the agent's; `Agent.carries` has all of
                their names.
        """

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; one that is not there is no error."""

    async def conversations(self, *, summary: str) -> Sequence[Placed]:
        """All conversations whose summary begins with this, of any agent."""

    async def pending(self, agent_id: str, conversation_id: str) -> Pending | None:
        """The calls that the agent waits for in this conversation, whoever made it call."""

    async def tool_names(self, agent_id: str) -> Sequence[str]:
        """The names of the agent's own tools."""

    async def kept(self, agent_id: str, conversation_id: str, otid: str) -> bool:
        """Whether Letta has kept the message that was sent with this `otid`."""

    async def unsettled(self, agent_id: str, conversation_id: str) -> Mapping[str, str]:
        """
        The newest runs of a conversation whose end Letta does not tell, and their status.

        Those that go on are `created` or `running`. One that is `cancelled` may go on, too:
        Letta does not say when it has stopped.
        """

    async def cancel(self, agent_id: str, run_ids: Sequence[str]) -> None:
        """Cancel runs of an agent. What has ended is no error."""


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
