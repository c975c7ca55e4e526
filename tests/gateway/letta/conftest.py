"""A call, and a Letta of a test's own that takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.call import Agent, Call, Conversation, Message, Text
from gateway.letta.client import LettaAPI
from tests.gateway.letta.loopback import RUN_ID, Loopback, connected, loopback, reply


AGENT = Agent("agent-1", "Milo")
CALL = Call(
    "Milo",
    (),
    stream=True,
    agent=AGENT,
    conversation=Conversation("conv-1"),
    input=(Message("user", (Text("Hello"),)),),
)


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as made:
        made.on("POST", "/cancel", reply({RUN_ID: "cancelled"}))
        yield made


@pytest.fixture
async def letta(server) -> AsyncIterator[LettaAPI]:
    async with connected(server.url) as made:
        yield made
