"""Requests with parameters, to agents of FakeLetta."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs

from gateway.events import Event, Finish, TextDelta
from gateway.pipeline.exchange import Exchange
from gateway.plugin import Call, Message, Reply, Text
from gateway.testing.fakeletta import FakeLetta
from plugins import response_format, sampling, stop_sequences, tool_bridge
from tests.plugins.house import House, built


def does(**step: Any) -> str:
    """What makes the scripted model do this."""
    return f"!!{json.dumps(step)}!!"


def request(said: str, *, stream: bool = True, key: str = "", **body: Any) -> Call:
    """A request for one answer, as the surface makes it of such a body."""
    headers = {"x-letta-chat-key": key} if key else {}
    return Call(
        "Milo",
        (Message("user", (Text(said),)),),
        headers=headers,
        body=body,
        stream=stream,
        reply=Reply(ignored=tuple(sorted(body))),
    )


@asynccontextmanager
async def asking(agent: Mapping[str, Any] | None = None, **settings: Any) -> AsyncIterator[House]:
    """The three plugins at their places; `settings` are those of the resolver."""
    async with FakeLetta() as letta:
        letta.add_agent("Milo", **(agent or {}))
        async with built(
            letta,
            above=[sampling.Sampling(sampling.Config())],
            below=[
                tool_bridge.ToolBridge(tool_bridge.Config()),
                stop_sequences.StopSequences(stop_sequences.Config()),
                response_format.ResponseFormat(response_format.Config()),
            ],
            **settings,
        ) as house:
            yield house


@attrs.frozen
class Answered:
    """What came of a request."""

    exchange: Exchange
    batches: list[list[Event]]

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def reason(self) -> str:
        last = self.events[-1]
        assert isinstance(last, Finish), last
        return last.reason

    @property
    def ignored(self) -> tuple[str, ...]:
        return self.exchange.call.reply.ignored


async def answer(house: House, call: Call) -> Answered:
    """The whole answer to a request."""
    async with await house.begin(call) as exchange:
        return Answered(exchange, [list(batch) async for batch in exchange])
