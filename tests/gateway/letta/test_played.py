from __future__ import annotations

from collections.abc import AsyncIterator

import loguru
import pytest

from gateway.call import Agent, Call, Conversation
from gateway.events import Error, Finish
from gateway.letta.played import playing
from tests.gateway.letta.decoding import STREAMS, events_of, tools_of


AGENT = Agent("agent-1", "Milo")


async def events(data: bytes, **more):
    """What a client of Letta's makes of these bytes."""

    async def play() -> AsyncIterator[bytes]:
        yield data

    call = Call("Milo", (), agent=AGENT, conversation=Conversation("conv-1"), stream=True, **more)
    async with playing(play, loguru.logger) as letta:
        return [event async for batch in letta.ask(call) for event in batch]


WITHOUT_TOOLS = [recording for recording in STREAMS if not tools_of(recording)]


@pytest.mark.parametrize("recording", WITHOUT_TOOLS, ids=lambda recording: recording.name)
async def test_a_recording_is_played(recording):
    """It is read and decoded as if it came from Letta."""
    played, known = await events(recording.data), events_of(recording)
    if isinstance(known[-1], Finish):
        assert played == known
    else:
        assert isinstance(played[-1], Error)


async def test_nothing_else_is_asked():
    """Cancelling, and the stored messages of an older agent, are answered without a network."""
    data = (
        b'data: {"message_type":"assistant_message","id":"m","content":"Hi","run_id":"run-1"}\n\n'
    )

    async def play() -> AsyncIterator[bytes]:
        yield data

    older = Agent("agent-1", "Milo", type="memgpt_agent")
    call = Call("Milo", (), agent=older, conversation=Conversation("default"))
    async with playing(play, loguru.logger) as letta:
        run = letta.ask(call)
        (text, ending) = [event async for batch in run for event in batch]
        await run.cancel()

    assert text.text == "Hi"
    assert ending.code == "upstream_incomplete"
