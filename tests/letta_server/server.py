"""What tests hold in their hands: a running Letta server and the model behind its agents."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import httpx
from letta_client import Letta, NotFoundError
from letta_client.types import AgentState, AgentType

from tests.letta_server.stack import Addresses


@attrs.frozen
class Model:
    """The scripted model. `script.py` says how a message tells it what to answer."""

    url: str

    def requests(self) -> list[dict[str, Any]]:
        """What it was asked, oldest first: `body` and `headers` of each request."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/requests").json()
        return found

    def forget(self) -> None:
        """Begin the list of requests anew."""
        httpx.delete(f"{self.url}/requests")

    def open(self, gate: str) -> None:
        """Let the answers go on that wait at this gate. It stays open: name each once."""
        httpx.post(f"{self.url}/gates/{gate}")


@attrs.define
class LettaServer:
    """A Letta server without authentication. `client` is for tests to look behind the gateway."""

    url: str
    model: Model
    has_redis: bool
    log: Path
    client: Letta
    made: list[str] = attrs.field(factory=list)

    @classmethod
    def at(cls, addresses: Addresses) -> LettaServer:
        client = Letta(base_url=addresses.url, api_key="none", timeout=60)
        return cls(
            url=addresses.url,
            model=Model(addresses.model_url),
            has_redis=addresses.has_redis,
            log=Path(addresses.log),
            client=client,
        )

    def make_agent(
        self,
        name: str,
        *,
        type: AgentType = "letta_v1_agent",
        model: str = "scripted-1",
        tags: Sequence[str] = (),
        tools: Sequence[Callable[..., object]] = (),
        **more: Any,
    ) -> AgentState:
        """
        Make an agent, which is deleted at the end of the run.

        Args:
            name: Its name; Letta does not mind two of one name.
            type: Its agent type.
            model: A model of the scripted ones.
            tags: Its tags.
            tools: Functions that Letta runs itself: typed, with a docstring, needing nothing
                outside themselves.
            more: Anything else that `agents.create` takes.
        """
        agent = self.client.agents.create(
            name=name,
            agent_type=type,
            model=f"openai-proxy/{model}",
            tags=list(tags),
            tool_ids=[self._tool(function) for function in tools],
            **more,
        )
        self.made.append(agent.id)
        return agent

    def delete_agents(self, *, since: int = 0) -> None:
        """Delete what `make_agent` made, except for the first `since` of them."""
        while len(self.made) > since:
            with suppress(NotFoundError):  # it may be gone already
                self.client.agents.delete(self.made.pop())

    def close(self) -> None:
        self.delete_agents()
        self.client.close()

    def _tool(self, function: Callable[..., object]) -> str:
        source = textwrap.dedent(inspect.getsource(function))
        return self.client.tools.upsert(source_code=source).id
