"""Clients that resend their history, as chat UIs do, and what they say and hear."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from gateway.call import Call, Message, Text
from gateway.errors import Reject
from gateway.events import Error, Event, Finish, TextDelta
from gateway.testing.fakeletta import Ask, FakeLetta, ServerTool, Step
from tests.plugins.house import House, built


# An agent's own tool, and what makes the scripted model fail: before it says anything, in
# mid-sentence, and after it has used the tool.
LOOKUP = ServerTool("lookup", lambda: "found")
FAILS = "@@err500@@"
FAILS_LATE = "@@drop@@"
USES_TOOL = '{"tools":[{"name":"lookup"}]}'
FAILS_AFTER_TOOL = f'!!{{"steps":[{USES_TOOL},{{"status":500}}]}}!!'
TALKS_LONG = "@@slow:200@@"


@attrs.define
class Client:
    """
    Somebody who talks to an agent and resends everything with each turn.

    What an agent failed to say is not in the history; what it began to say is.
    """

    house: House
    model: str
    key: str = ""
    caller: str = "anonymous"
    messages: list[Message] = attrs.field(factory=list)
    headers: dict[str, str] = attrs.field(factory=dict)

    def call(self) -> Call:
        """The request that the client would send now."""
        headers = {**self.headers, **({"x-letta-chat-key": self.key} if self.key else {})}
        return Call(self.model, tuple(self.messages), headers=headers, stream=True)

    async def say(self, text: str) -> list[Event]:
        """The next turn."""
        self.messages.append(user(text))
        return await self.send()

    async def send(self) -> list[Event]:
        """The history as it is; the answer is added to it."""
        events = await self.house.ask(self.call(), self.caller)
        self.hear(said(events))
        return events

    async def dies(self, text: str) -> None:
        """The next turn, in a gateway that is killed as soon as the answer begins."""
        self.messages.append(user(text))
        exchange = await self.house.begin(self.call(), self.caller)
        async for batch in exchange:
            if said(batch):
                break
        await exchange.segment.reader.aclose()

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator[House]:
        """Another gateway over the same Letta and store: the client talks to it now."""
        house = self.house
        async with built(house.letta, store=house.store.restarted()) as self.house:
            yield self.house

    async def stop(self, text: str) -> str:
        """The next turn, given up when the first words of the answer have come."""
        self.messages.append(user(text))
        async with await self.house.begin(self.call(), self.caller) as exchange:
            async for batch in exchange:
                if words := said(batch):
                    break
        self.hear(words)
        await self.house.quiet()
        return words

    def hear(self, reply: str) -> None:
        """Add a reply to the history, as far as there is one."""
        if reply:
            self.messages.append(assistant(reply))

    def regenerate(self) -> None:
        """Forget the last reply."""
        assert self.messages.pop().role == "assistant"

    def edit(self, turn: int, text: str) -> None:
        """Go back to the user's turn of this number (from 1) and say something else."""
        places = [i for i, message in enumerate(self.messages) if message.role == "user"]
        del self.messages[places[turn - 1] :]
        self.messages.append(user(text))


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def assistant(text: str) -> Message:
    return Message("assistant", (Text(text),))


def system(text: str) -> Message:
    return Message("system", (Text(text),))


def said(events: Iterable[Event]) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def ending(events: Sequence[Event]) -> str:
    """How an answer ended: the reason, or the error's code."""
    match events[-1]:
        case Finish(reason):
            return reason
        case Error(code=code):
            return code
    raise AssertionError(f"{events[-1]} is no ending")


@asynccontextmanager
async def housed(**settings: Any) -> AsyncIterator[House]:
    """One agent, Milo, who can look things up; the settings are those of `built`."""
    async with FakeLetta(pace=0.02) as letta:
        letta.add_agent("Milo", tools=[LOOKUP])
        async with built(letta, **settings) as house:
            yield house


async def refusal(asked: Awaitable[object]) -> Reject:
    """What a request is refused with."""
    with pytest.raises(Reject) as caught:
        await asked
    return caught.value


def listening(house: House) -> list[list[tuple[str, str]]]:
    """What the agent's model is shown, each time; the agent's own prompt left out."""
    shown: list[list[tuple[str, str]]] = []

    def script(ask: Ask) -> list[Step]:
        shown.append([(message.role, message.text) for message in ask.messages[1:]])
        return [Step(f"answer {len(shown)}")]

    next(iter(house.letta.agents.values())).script = script
    return shown
