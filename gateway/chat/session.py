"""One chat: what has been said so far, and how an answer is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import attrs

from gateway.chat.client import Client
from gateway.chat.screen import Screen


@attrs.define
class Session:
    """
    A chat with the agent `model`.

    Like any chat UI it sends the whole history each time, under one chat key: the gateway
    knows what of it is new.
    """

    client: Client
    model: str
    chat_key: str
    screen: Screen
    messages: list[Mapping[str, str]] = attrs.field(init=False, factory=list)

    async def ask(self, said: str) -> None:
        """
        Ask, and show the answer as it comes.

        A cancelled answer is as long as it is: what was asked, and what came, has been said.

        Raises:
            Unanswered: It failed. Unless some of the answer has come, it is as if never asked.
        """
        history = [*self.messages, {"role": "user", "content": said}]
        answer: list[str] = []
        try:
            async with aclosing(self.client.ask(self.model, history, self.chat_key)) as pieces:
                async for piece in pieces:
                    self.screen.show(piece)
                    if piece.kind == "text":
                        answer.append(piece.text)
            self.messages = history
        except asyncio.CancelledError:
            self.messages = history
            raise
        finally:
            self.screen.end()
            if answer:
                self.messages = [*history, {"role": "assistant", "content": "".join(answer)}]
