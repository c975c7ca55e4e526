"""Clients with tools of their own, and the bridge that lets agents call them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs

from gateway.call import Call, Message, Part, Reply, Text, Tool, ToolCall, ToolChoice
from gateway.events import Event, ToolArgsDelta, ToolCallStart
from gateway.testing.fakeletta import FakeAgent, FakeLetta
from plugins.tool_bridge import Config, ToolBridge
from tests.plugins.client import LOOKUP, Client, said
from tests.plugins.house import House, built
from tests.plugins.watched import Watched


Result = str | tuple[Part, ...] | Exception

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def weather(city: str = "", **_: object) -> str:
    return f"21 in {city}"


def time(city: str = "", **_: object) -> str:
    return f"noon in {city}"


TOOLS: Mapping[str, Callable[..., Result]] = {"get_weather": weather, "get_time": time}


def does(*steps: Mapping[str, Any]) -> str:
    """What makes the scripted model do this, step by step."""
    return f"!!{json.dumps({'steps': steps})}!!"


def calls(*names: str, **step: Any) -> dict[str, Any]:
    """A step in which the model calls these tools: `name` or `name:id`."""
    used = [name.partition(":")[::2] for name in names]
    tools = [{"name": name, "args": {"city": "Rome"}, "id": use or None} for name, use in used]
    return {**step, "tools": tools}


ONE = does(calls("get_weather"), {"text": "It is warm."})
TWO = does(calls("get_weather:call_a", "get_time:call_b"), {"text": "Both known."})


@attrs.define
class ToolClient(Client):
    """Somebody who runs what the agent calls, when told to."""

    tools: Mapping[str, Callable[..., Result]] = TOOLS
    choice: ToolChoice = attrs.field(factory=ToolChoice)
    parallel: bool = True
    functions: bool = False

    def call(self) -> Call:
        offered = tuple(Tool(name, f"Runs {name}", SCHEMA) for name in self.tools)
        return attrs.evolve(
            super().call(),
            tools=offered,
            choice=self.choice,
            parallel=self.parallel,
            reply=Reply(ignored=("tools", "temperature"), functions=self.functions),
        )

    async def send(self) -> list[Event]:
        events = await self.house.ask(self.call(), self.caller)
        self.hear_calls(events)
        return events

    def hear_calls(self, events: Iterable[Event]) -> None:
        """Add a reply to the history, with the calls that it makes."""
        events = list(events)
        text, made = said(events), called(events)
        if text or made:
            parts = (Text(text),) if text else ()
            self.messages.append(Message("assistant", parts, tool_calls=made))

    @property
    def asked(self) -> tuple[ToolCall, ...]:
        """The calls that the last reply makes."""
        return self.messages[-1].tool_calls if self.messages else ()

    def run(self, made: ToolCall) -> Message:
        """The result of a call."""
        return result(made, self.tools[made.name](**json.loads(made.arguments)))

    async def answer(self) -> list[Event]:
        """Run all that was called, and send the results."""
        self.messages += [self.run(made) for made in self.asked]
        return await self.send()

    async def answer_with(self, *results: Message) -> list[Event]:
        """Send these results."""
        self.messages += results
        return await self.send()

    async def talk(self, text: str) -> list[Event]:
        """The next turn, with as many rounds of tools as the agent wants."""
        events = await self.say(text)
        while called(events):
            events = await self.answer()
        return events

    def forget(self, count: int = 1) -> None:
        """Take back the newest messages of the history."""
        del self.messages[-count:]

    def at(self, house: House) -> ToolClient:
        """The same client at another gateway."""
        return attrs.evolve(self, house=house)


def called(events: Iterable[Event]) -> tuple[ToolCall, ...]:
    """The calls that a client is asked to run, with all their arguments."""
    made: dict[str, ToolCall] = {}
    for event in events:
        match event:
            case ToolCallStart(call_id, name, True):
                made[call_id] = ToolCall(call_id, name, "")
            case ToolArgsDelta(call_id, fragment) if call_id in made:
                before = made[call_id]
                made[call_id] = attrs.evolve(before, arguments=before.arguments + fragment)
    return tuple(made.values())


def result(made: ToolCall | str, given: Result) -> Message:
    """The result of a call, by itself or by its id."""
    call_id = made if isinstance(made, str) else made.id
    parts = given if isinstance(given, tuple) else (Text(str(given)),)
    failed = isinstance(given, Exception)
    return Message("tool", parts, tool_call_id=call_id, failed=failed)


@asynccontextmanager
async def bridged(
    letta: FakeLetta, *, store: Watched | None = None, bridge: Any = None, **settings: Any
) -> AsyncIterator[House]:
    """The pipeline with the bridge; `bridge` are its settings."""
    below = [ToolBridge(Config(**(bridge or {}))), *settings.pop("below", ())]
    async with built(letta, store=store, below=below, **settings) as house:
        yield house


@asynccontextmanager
async def tooled(**settings: Any) -> AsyncIterator[House]:
    """
    One agent, Milo, who can look things up and makes several calls at once.

    The settings are those of `bridged`; those in `letta` are FakeLetta's.
    """
    async with FakeLetta(pace=0.01, **settings.pop("letta", {})) as letta:
        letta.add_agent("Milo", tools=[LOOKUP], parallel_tool_calls=settings.pop("several", True))
        async with bridged(letta, **settings) as house:
            yield house


def milo(house: House) -> FakeAgent:
    """The agent."""
    return next(iter(house.letta.agents.values()))


def returned(house: House, conversation: str = "") -> list[tuple[str, str, bool]]:
    """The results that Letta has been given in a conversation: id, text, and whether it is ok."""
    contexts = house.letta.conversations
    context = contexts[conversation].context if conversation in contexts else milo(house).context
    return [
        (each.call_id, str(each.text), each.ok)
        for message in context.log
        for each in message.returns
    ]


def sent_results(house: House) -> list[tuple[str, Any, bool]]:
    """The same as Letta was sent them last."""
    for body in reversed(house.requests("POST", "/messages")):
        if (first := body["messages"][0]).get("type") == "tool_return":
            every = first["tool_returns"]
            return [
                (each["tool_call_id"], each["tool_return"], each["status"] == "success")
                for each in every
            ]
    return []


def waits(house: House, conversation: str) -> bool:
    """Whether the agent waits for results there."""
    return house.letta.conversations[conversation].context.pending is not None
