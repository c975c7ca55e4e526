"""A look behind the gateway: what Letta itself says of runs and conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
from letta_client import Letta


T = TypeVar("T")

# Seconds; only a test that fails waits for so long. Letta itself may wait for its database for 60.
PATIENCE = 150.0
ROLES = {"user_message": "user", "assistant_message": "assistant", "system_message": "system"}


@attrs.frozen
class Behind:
    """Asks Letta, not the gateway."""

    letta: Letta

    def runs(self, agent_id: str) -> list[Any]:
        """The agent's last runs, newest first. Letta gives the same page again for the next."""
        return self.letta.runs.list(agent_id=agent_id, order="desc", limit=100).items

    def conversations(self, agent_id: str) -> list[str]:
        """The ids of the agent's conversations, oldest first; its default one is not among them."""
        found = self.letta.conversations.list(agent_id=agent_id, order="asc")
        return [conversation.id for conversation in found]

    def said(self, conversation: str, agent_id: str = "") -> list[tuple[str, str]]:
        """Who said what there since the agent's own prompt: roles and texts, oldest first."""
        named = {"agent_id": agent_id} if agent_id else {}
        page = self.letta.conversations.messages.list(conversation, order="asc", limit=200, **named)
        told = [
            (ROLES[message.message_type], text_of(message.content))
            for message in page
            if message.message_type in ROLES
        ]
        assert [role for role, _ in told[:1]] in ([], ["system"])
        return told[1:]

    async def run(self, agent_id: str) -> Any:
        """The agent's newest run, as soon as there is one."""
        return (await eventually(lambda: self.runs(agent_id)))[0]

    async def ended(self, agent_id: str, status: str) -> Any:
        """The agent's newest run, as soon as it has this status."""
        run = await self.run(agent_id)
        try:
            return await eventually(
                lambda: next((run for run in self.runs(agent_id)[:1] if run.status == status), None)
            )
        except TimeoutError:
            raise AssertionError(f"{run.id} is {self.runs(agent_id)[0].status}") from None


def text_of(content: Any) -> str:
    """The text of a message, which may be in parts."""
    if isinstance(content, str):
        return content
    return "".join(getattr(part, "text", "") for part in content)


async def eventually(look: Callable[[], T | None]) -> T:
    """What `look` finds, as soon as it finds something."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := look():
                return found
            await asyncio.sleep(0.05)
