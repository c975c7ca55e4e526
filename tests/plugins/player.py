"""Somebody who plays: what they have said and heard, and the tools that they run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import attrs

from gateway.call import Call, Message, Reply, Text, Tool
from gateway.events import Event
from tests.plugins.client import said
from tests.plugins.tool_client import SCHEMA, called, result


TOOLS = tuple(Tool(name, "", SCHEMA) for name in ("get_weather", "get_time"))
GIVEN = re.compile(r"\br\d+\.\d+ of \S+")


@attrs.define(eq=False)
class Player:
    """Somebody who talks to an agent and resends everything."""

    name: str
    agent: str
    key: str = ""
    caller: str = "anonymous"
    older: bool = False
    """Whether the agent is of an older type, with one context for everything."""
    messages: list[Message] = attrs.field(factory=list)
    answered: bool = True
    """Whether the last request was answered; else it may be sent again."""
    delivered: set[str] = attrs.field(factory=set)
    """Results that were taken."""
    asked: str = ""
    """Where the last request took place."""

    def call(self) -> Call:
        headers = {"x-letta-chat-key": self.key} if self.key else {}
        reply = Reply(ignored=("tools",))
        return Call(self.agent, tuple(self.messages), headers=headers, tools=TOOLS, reply=reply)

    @property
    def waiting(self) -> Sequence[str]:
        """The ids of the calls that the agent waits for, as far as this one knows."""
        last = self.messages[-1] if self.messages else None
        return [made.id for made in last.tool_calls] if last else ()

    @property
    def said(self) -> list[str]:
        return [message.text for message in self.messages if message.role == "user"]

    @property
    def given(self) -> list[str]:
        """The results of this request, if it has nothing else."""
        fresh: list[str] = []
        for message in reversed(self.messages[:-1]):  # the last is the answer
            if message.role != "tool":
                return fresh if message.role == "assistant" else []
            fresh.append(message.text)
        return []

    def go_back(self, to: int) -> None:
        """Take back what was said last: `to` messages stay."""
        del self.messages[to:]
        self.answered = True
        self.delivered.intersection_update(message.text for message in self.messages)


def results_of(player: Player, number: int) -> list[Message]:
    """Results of what this player was asked to run, each with a text of its own."""
    return [
        result(call_id, f"r{number}.{i} of {call_id.rpartition('-lg')[0]}")
        for i, call_id in enumerate(player.waiting)
    ]


def given(returned: Any, text: str) -> list[str]:
    """The results that Letta has of a call: one of a player's at most, and it is of that call."""
    texts = GIVEN.findall(text)
    assert all(each.endswith(f" of {returned.tool_call_id}") for each in texts), text
    return texts


def heard(events: Sequence[Event]) -> Message:
    """What an answer is in the history."""
    text = said(events)
    return Message("assistant", (Text(text),) if text else (), tool_calls=called(events))


def text_of(content: Any) -> str:
    """The text of a message's content, as letta-client gives it."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(getattr(part, "text", "") for part in parts)
