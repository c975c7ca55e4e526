"""Agents that the gateway makes at Letta, and finds again by their tags."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from letta_client import AsyncLetta, omit
from letta_client.types import CreateBlockParam

from gateway.call import Agent
from gateway.errors import LettaError
from gateway.letta import failures
from gateway.letta.client import agent_of


@attrs.frozen
class Block:
    """A block of an agent's memory. A `limit` of 0 is Letta's own."""

    label: str
    value: str
    description: str = ""
    limit: int = 0


@attrs.frozen
class NewAgent:
    """What an agent is made of; where a field is empty, Letta's own choice stands."""

    name: str
    model: str
    tags: tuple[str, ...]
    description: str = ""
    system: str = ""
    embedding: str = ""
    blocks: tuple[Block, ...] = ()
    tools: tuple[str, ...] = ()


@attrs.frozen
class AgentsAPI:
    """
    What is asked of Letta about such agents; it raises `LettaError`.

    `reading` may ask again by itself, `client` never does.
    """

    client: AsyncLetta
    reading: AsyncLetta

    async def tagged(self, *tags: str) -> Sequence[Agent]:
        """The agents that have all of these tags, oldest first."""
        with failures.rejects():
            listing = self.reading.agents.list(
                order="asc",
                limit=100,
                include=["agent.tags"],
                tags=list(tags),
                match_all_tags=True,
                extra_query={"show_hidden_agents": True},
            )
            found = [agent_of(state) async for state in listing]
        return [agent for agent in found if set(tags) <= set(agent.tags)]

    async def first_model(self) -> str:
        """
        The first model that the server has.

        Raises:
            LettaError: It has none.
        """
        with failures.rejects():
            models = await self.reading.models.list()
            handles = [model.handle for model in models if model.handle]
        if not handles:
            text = "Letta has no model. Name one in the template, or set Letta up with one."
            raise LettaError(502, "upstream_no_model", text, retry=False)
        return handles[0]

    async def create(self, wanted: NewAgent) -> Agent:
        """Make an agent."""
        with failures.rejects():
            state = await self.client.agents.create(
                name=wanted.name,
                model=wanted.model,
                tags=list(wanted.tags),
                description=wanted.description or omit,
                system=wanted.system or omit,
                embedding=wanted.embedding or omit,
                memory_blocks=[_block(block) for block in wanted.blocks] or omit,
                tools=list(wanted.tools) or omit,
            )
            return attrs.evolve(agent_of(state), tags=wanted.tags)


def _block(block: Block) -> CreateBlockParam:
    made = CreateBlockParam(label=block.label, value=block.value)
    if block.description:
        made["description"] = block.description
    if block.limit:
        made["limit"] = block.limit
    return made
