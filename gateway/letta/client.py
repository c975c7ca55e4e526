"""Letta over letta-client: one client per credential and process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import attrs
import httpx
from letta_client import (
    APIConnectionError,
    APIStatusError,
    AsyncLetta,
    DefaultAsyncHttpxClient,
    NotFoundError,
    omit,
)
from letta_client.types import AgentState
from loguru import logger as log

from gateway.call import Agent, Call
from gateway.letta import failures
from gateway.letta.run import LettaRun


if TYPE_CHECKING:
    from loguru import Logger

# How far back a message that may have been kept is looked for: a run of many steps keeps
# about a hundred, and it is the newest or the one before.
LOOK_BACK = 200

# Letta closes a connection that has been idle for 5 s. A message that is sent in that moment
# is lost, and is not sent again: the gateway closes first.
IDLE_SECONDS = 3.0


class Client(AsyncLetta):
    """AsyncLetta that sends no Authorization header when there is no key."""

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@attrs.frozen
class LettaAPI:
    """
    What plugins may ask of Letta, and the way to an answer.

    Reads are retried by the client; nothing that carries a user's message ever is.
    """

    client: AsyncLetta
    reading: AsyncLetta
    read_seconds: float
    logger: Logger

    def ask(self, call: Call) -> LettaRun:
        """The answer to `call`; the request is sent when it is read."""
        return LettaRun(self.client, call, self.read_seconds, self.logger)

    async def ping(self) -> None:
        """Return if Letta answers and takes the gateway's key."""
        with _rejects():
            await self.client.agents.list(limit=1)

    async def agents(self, *, tags: Sequence[str] = ()) -> Sequence[Agent]:
        """All agents, oldest first, every page."""
        with _rejects():
            listing = self.reading.agents.list(
                order="asc",
                limit=100,
                include=["agent.tags"],
                tags=list(tags) or omit,
                extra_query={"show_hidden_agents": True},
            )
            return [agent_of(state) async for state in listing]

    async def agent(self, agent_id: str) -> Agent | None:
        """The agent with this id, or None."""
        with _rejects():
            try:
                state = await self.reading.agents.retrieve(agent_id, include=["agent.tags"])
                return agent_of(state)
            except APIStatusError as exc:
                if exc.status_code in {404, 422}:  # 422: it is not even the form of an id
                    return None
                raise

    async def create_conversation(self, agent_id: str, *, summary: str) -> str:
        """Make an empty conversation and return its id."""
        with _rejects():
            made = await self.client.conversations.create(agent_id=agent_id, summary=summary)
            return made.id

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; one that is not there is no error."""
        with _rejects():
            try:
                await self.reading.conversations.delete(conversation_id)
            except NotFoundError:
                return

    async def kept(self, agent_id: str, conversation_id: str, otid: str) -> bool:
        """Whether Letta has kept the message that was sent with this `otid`."""
        with _rejects():
            page = await self.reading.conversations.messages.list(
                conversation_id,
                limit=LOOK_BACK,
                order="desc",
                agent_id=agent_id if conversation_id == "default" else omit,
            )
            return any(getattr(message, "otid", None) == otid for message in page.items)


@asynccontextmanager
async def connect(
    base_url: str,
    api_key: str,
    *,
    connect_seconds: float,
    read_seconds: float,
    max_connections: int,
    logger: Logger,
) -> AsyncIterator[LettaAPI]:
    """
    A client for as long as the gateway runs.

    Args:
        base_url: Letta Cloud, or a server of one's own.
        api_key: Empty for a server without authentication.
        connect_seconds: The longest to wait for a connection.
        read_seconds: The longest silence of a stream; Letta pings every 20 s.
        max_connections: Streams at once; more wait for a free connection.
    """
    timeout = httpx.Timeout(read_seconds, connect=connect_seconds, pool=read_seconds)
    limits = httpx.Limits(
        max_connections=max_connections,
        max_keepalive_connections=100,
        keepalive_expiry=IDLE_SECONDS,
    )
    http = DefaultAsyncHttpxClient(base_url=base_url, timeout=timeout, limits=limits)
    async with Client(
        api_key=api_key, base_url=base_url, timeout=timeout, max_retries=0, http_client=http
    ) as client:
        reading = client.with_options(max_retries=2)
        yield LettaAPI(client, reading, read_seconds, logger)


def agent_of(state: AgentState) -> Agent:
    """The facts of an agent that the gateway needs."""
    return Agent(
        id=state.id,
        name=state.name,
        type=str(state.agent_type),
        description=state.description or "",
        tags=tuple(state.tags or ()),
        model=state.model or "",
        hidden=bool(state.hidden),
        created=int(state.created_at.timestamp()) if state.created_at else 0,
    )


@contextmanager
def _rejects() -> Iterator[None]:
    """Letta's failures become answers that a client can be given."""
    try:
        yield
    except APIStatusError as exc:
        raise failures.as_reject(failures.from_status(exc.status_code, exc.body)) from exc
    except APIConnectionError as exc:
        raise failures.as_reject(failures.unreachable(failures.reason(exc))) from exc
    except (AttributeError, TypeError, ValueError) as exc:  # letta-client does not look closely
        log.opt(exception=exc).debug("what Letta said cannot be read")
        raise failures.as_reject(failures.unreadable()) from exc
