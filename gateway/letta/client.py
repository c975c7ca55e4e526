"""Letta over letta-client: one client per credential and process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
import httpx
import orjson
from letta_client import (
    APIConnectionError,
    APIStatusError,
    InternalServerError,
    NotFoundError,
    omit,
)
from letta_client.types import AgentState

from gateway.call import OWN_CONVERSATIONS, Agent, Call, Pending, Placed, ToolCall
from gateway.letta import failures
from gateway.letta.decode import Frame, calls_of, word
from gateway.letta.resume import Lasting
from gateway.letta.run import LettaRun, Recorder
from gateway.letta.sdk import Client, Http
from gateway.letta.settings import carries_of, conversation_settings
from gateway.letta.tools import ProxyTools
from gateway.letta.transport import Transport, proxy_of
from gateway.settings import NO_SETTINGS, Settings


if TYPE_CHECKING:
    from loguru import Logger

# How far back a message that may have been kept is looked for: a run of many steps keeps
# about a hundred, and it is the newest or the one before.
LOOK_BACK = 200

PAGE = 100

# Of one conversation, or of an agent and all its conversations: enough to find the last that
# ended, before which nothing can be going on.
RUNS = 50
ENDED = frozenset({"completed", "failed"})

# Of one agent: more than any model can choose from.
MOST_TOOLS = 1000

# Letta closes a connection that has been idle for 5 s. A message that is sent in that moment
# is lost, and is not sent again: the gateway closes first.
IDLE_SECONDS = 3.0


@attrs.frozen
class LettaAPI:
    """
    What plugins may ask of Letta, and the way to an answer.

    Reads are retried by the client; nothing that carries a user's message ever is.
    """

    client: Client
    reading: Client
    read_seconds: float
    logger: Logger
    recorder: Recorder | None = None
    lasting: Lasting | None = None

    def ask(self, call: Call) -> LettaRun:
        """The answer to `call`; the request is sent when it is read."""
        return LettaRun(
            self.client, call, self.read_seconds, self.logger, self.recorder, self.lasting
        )

    async def ping(self) -> None:
        """Return if Letta answers and takes the gateway's key."""
        with failures.rejects():
            await self.client.agents.list(limit=1)

    @property
    def proxies(self) -> ProxyTools:
        """Tools that stand for a client's."""
        return ProxyTools(self.reading)

    async def version(self) -> str:
        """Which version Letta says it is; empty if it says nothing."""
        with failures.rejects():
            return str((await self.reading.health()).version or "")

    async def agents(self, *, tags: Sequence[str] = ()) -> Sequence[Agent]:
        """All agents, oldest first, every page."""
        with failures.rejects():
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
        with failures.rejects():
            try:
                state = await self.reading.agents.retrieve(agent_id, include=["agent.tags"])
                return agent_of(state)
            except APIStatusError as exc:
                if exc.status_code in {404, 422}:  # 422: it is not even the form of an id
                    return None
                raise

    async def create_conversation(
        self, agent_id: str, *, summary: str, settings: Settings = NO_SETTINGS
    ) -> str:
        """Make an empty conversation and return its id."""
        more: dict[str, Any] = {}
        with failures.rejects():
            if settings.asked:  # the agent's own are repeated, so they must be the newest
                state = await self.reading.agents.retrieve(agent_id)
                more = conversation_settings(_of_model(state), settings)
            path = f"/v1/conversations/?agent_id={quote(agent_id, safe='')}"
            made = await self.client.ask("POST", path, {"summary": summary, **more})
            return str(orjson.loads(made)["id"])

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; one that is not there is no error."""
        path = f"/v1/conversations/{quote(conversation_id, safe='')}"
        with failures.rejects(), suppress(NotFoundError):
            try:
                await self.client.ask("DELETE", path)
            except (APIConnectionError, InternalServerError):
                await self.reading.conversations.delete(conversation_id)

    async def conversations(self, *, summary: str) -> Sequence[Placed]:
        """All conversations whose summary begins with this, of any agent."""
        found: list[Placed] = []
        with failures.rejects():
            while True:
                after = found[-1].id if found else omit
                page = await self.reading.conversations.list(
                    summary_search=summary, limit=PAGE, after=after, order="asc"
                )
                found += [placed_of(conversation) for conversation in page]
                if len(page) < PAGE:
                    return [placed for placed in found if placed.summary.startswith(summary)]

    async def pending(self, agent_id: str, conversation_id: str) -> Pending | None:
        """The calls that the agent waits for in this conversation."""
        with failures.rejects():
            page = await self.reading.conversations.messages.list(
                conversation_id,
                limit=1,
                order="desc",
                agent_id=agent_id if conversation_id == "default" else omit,
            )
            return pending_of(page.items)

    async def tool_names(self, agent_id: str) -> Sequence[str]:
        """The names of the agent's own tools."""
        with failures.rejects():
            page = await self.reading.agents.tools.list(agent_id, limit=MOST_TOOLS)
            return [tool.name for tool in page.items if tool.name]

    async def kept(self, agent_id: str, conversation_id: str, otid: str) -> bool:
        """Whether Letta has kept the message that was sent with this `otid`."""
        with failures.rejects():
            page = await self.reading.conversations.messages.list(
                conversation_id,
                limit=LOOK_BACK,
                order="desc",
                agent_id=agent_id if conversation_id == "default" else omit,
            )
            return any(getattr(message, "otid", None) == otid for message in page.items)

    async def unsettled(self, agent_id: str, conversation_id: str) -> Mapping[str, str]:
        """The newest runs of a conversation whose end Letta does not tell, and their status."""
        default = conversation_id == "default"
        with failures.rejects():
            page = await self.reading.runs.list(
                agent_id=agent_id,
                conversation_id=omit if default else conversation_id,
                limit=RUNS,
                order="desc",
            )
            newest = [(run.id, str(run.status), run.conversation_id) for run in page.items]
        here = ((run, status) for run, status, place in newest if not (default and place))
        return dict(takewhile(lambda run: run[1] not in ENDED, here))

    async def cancel(self, agent_id: str, run_ids: Sequence[str]) -> None:
        """Cancel runs of an agent. What has ended is no error."""
        with failures.rejects():
            await self.client.agents.messages.cancel(agent_id, run_ids=list(run_ids))


@asynccontextmanager
async def connect(
    base_url: str,
    api_key: str,
    *,
    connect_seconds: float,
    read_seconds: float,
    max_connections: int,
    logger: Logger,
    recorder: Recorder | None = None,
    background: bool = False,
) -> AsyncIterator[LettaAPI]:
    """
    A client for as long as the gateway runs.

    Args:
        base_url: Letta Cloud, or a server of one's own.
        api_key: Empty for a server without authentication.
        connect_seconds: The longest to wait for a connection.
        read_seconds: The longest silence of a stream; Letta pings every 20 s.
        max_connections: Streams at once; more wait for a free connection.
        recorder: Keeps the streams, if given.
        background: Have kept answers run in the background at Letta, if it can.
    """
    timeout = httpx.Timeout(read_seconds, connect=connect_seconds, pool=read_seconds)
    transport = Transport(
        max_connections=max_connections,
        idle_seconds=IDLE_SECONDS,
        secure=httpx.URL(base_url).scheme == "https",
        proxy=proxy_of(base_url),
    )
    http = Http(transport, base_url=base_url, timeout=timeout, follow_redirects=True)
    async with Client(
        api_key=api_key, base_url=base_url, timeout=timeout, max_retries=0, http_client=http
    ) as client:
        reading = client.with_options(max_retries=2)
        lasting = Lasting(background, logger)
        yield LettaAPI(client, reading, read_seconds, logger, recorder, lasting)


def agent_of(state: AgentState) -> Agent:
    """The facts of an agent that the gateway needs."""
    kind = str(state.agent_type)
    return Agent(
        id=state.id,
        name=state.name,
        type=kind,
        description=state.description or "",
        tags=tuple(state.tags or ()),
        model=state.model or "",
        hidden=bool(state.hidden),
        parallel_tools=_parallel(state),
        forgets=bool(state.message_buffer_autoclear) and kind not in OWN_CONVERSATIONS,
        carries=carries_of(_of_model(state)) if kind in OWN_CONVERSATIONS else frozenset(),
        context_window=getattr(state.llm_config, "context_window", None) or 0,
        created=int(state.created_at.timestamp()) if state.created_at else 0,
    )


def placed_of(conversation: Any) -> Placed:
    """A conversation, and when it was last used."""
    times = (conversation.last_message_at, conversation.updated_at, conversation.created_at)
    used = next((time.timestamp() for time in times if time is not None), 0.0)
    return Placed(conversation.id, conversation.summary or "", used)


def pending_of(messages: Sequence[Any]) -> Pending | None:
    """
    The calls that a conversation's last message asks for; None if it asks for none.

    Letta shows one message as several: what was thought and said before the calls, and these.
    """
    # Not by attributes: whatever letta-client cannot validate, it takes for another type.
    frames = [message.model_dump() for message in messages]
    asking = (each for each in frames if each.get("message_type") == "approval_request_message")
    frame = next(asking, None)
    return (
        None
        if frame is None
        else Pending(word(frame.get("id")), tuple(map(_call, calls_of(frame))))
    )


def _of_model(state: AgentState) -> dict[str, Any]:
    """What an agent says of its model; Letta has more models than letta-client knows."""
    return state.model_dump(include={"model", "model_settings", "llm_config"}, warnings=False)


def _call(call: Frame) -> ToolCall:
    named = (word(call.get(field)) for field in ("tool_call_id", "name", "arguments"))
    return ToolCall(*named)


def _parallel(state: AgentState) -> bool:
    # What the agent's model_settings say is not what Letta goes by.
    settings: Any = state.llm_config
    return settings is None or bool(settings.parallel_tool_calls)
