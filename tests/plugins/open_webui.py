"""A chat as Open WebUI keeps it and sends it: a tree of messages, one branch of which is shown."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import attrs


Json = dict[str, Any]
Ask = Callable[[list[Json], Mapping[str, str]], Awaitable[str]]


@attrs.define
class Node:
    """A message of the tree. What failed has no text."""

    role: str
    text: str
    parent: str


@attrs.define
class Chat:
    """
    Somebody at a chat UI that sends the ids of its messages.

    `ask` sends a history with headers, and gives the reply. `at` is the reply that is shown
    last; each method that has one asked for returns its id.
    """

    ask: Ask
    key: str
    nodes: dict[str, Node] = attrs.field(factory=dict)
    at: str = ""

    async def say(self, text: str) -> str:
        """The next message."""
        return await self._reply(self._add("user", text, self.at))

    async def try_again(self) -> str:
        """Another reply to the same message."""
        return await self._reply(self.nodes[self.at].parent)

    async def wish(self, text: str) -> str:
        """Another reply, with a wish that is sent and never stored."""
        return await self._reply(self.nodes[self.at].parent, wish=text)

    async def edit(self, text: str) -> str:
        """Say something else instead of the last message."""
        before = self.nodes[self.nodes[self.at].parent].parent
        return await self._reply(self._add("user", text, before))

    async def go_on(self) -> str:
        """Let the reply be continued: more is added to it."""
        user = self.nodes[self.at].parent
        self.nodes[self.at].text += await self.ask(
            self.branch(self.at), self._headers(self.at, user)
        )
        return self.at

    def fork(self, key: str) -> Self:
        """A copy of the chat, up to what is shown."""
        return attrs.evolve(
            self, key=key, nodes={i: attrs.evolve(n) for i, n in self.nodes.items()}
        )

    def branch(self, last: str) -> list[Json]:
        """The messages from the first to this one, as they are sent."""
        node = self.nodes.get(last)
        if node is None:
            return []
        own = [{"role": node.role, "content": node.text}] if node.text else []
        return [*self.branch(node.parent), *own]

    def shown(self) -> list[str]:
        """The texts of the branch that is shown."""
        return [message["content"] for message in self.branch(self.at)]

    async def _reply(self, user: str, wish: str = "") -> str:
        sent = self.branch(user)
        if wish:
            sent = [*self.branch(self.at), {"role": "user", "content": wish}]
        reply = self._add("assistant", "", user)
        self.nodes[reply].text = await self.ask(sent, self._headers(reply, user))
        self.at = reply
        return reply

    def _headers(self, reply: str, user: str) -> Mapping[str, str]:
        return {
            "x-letta-chat-key": self.key,
            "x-openwebui-message-id": reply,
            "x-openwebui-parent-id": self.nodes[user].parent,
        }

    def _add(self, role: str, text: str, parent: str) -> str:
        name = str(uuid.uuid4())
        self.nodes[name] = Node(role, text, parent)
        return name
