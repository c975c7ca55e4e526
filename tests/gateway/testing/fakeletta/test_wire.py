"""A run's stream on its way: pings, and what goes wrong."""

from __future__ import annotations

import json

import httpx
import pytest
from letta_client import APIStatusError, AsyncLetta

from gateway.testing.fakeletta import FakeAgent, FakeLetta, Fault, Step
from gateway.testing.recordings import read_frames, summary
from tests.gateway.testing.fakeletta.conftest import Asker, labels, text


THREE = [Step("one two three", n=4)]


def agent(letta: FakeLetta, fault: Fault) -> FakeAgent:
    """An agent with a fault."""
    return letta.add_agent("Faulty", script=THREE, fault=fault)


async def events(client: AsyncLetta, of: FakeAgent) -> list[str]:
    """What the official client makes of an agent's stream."""
    stream = await client.agents.messages.create(
        of.id, messages=[{"role": "user", "content": "hi"}], streaming=True, stream_tokens=True
    )
    return [event.message_type for event in [event async for event in stream]]


async def test_pings_in_silence() -> None:
    """After each silence there is a ping; the first one comes at once."""
    async with FakeLetta(ping_seconds=0.05) as letta, httpx.AsyncClient(verify=False) as http:
        agent = letta.add_agent("Slow", script=[Step("finally", pre=0.5)])
        asked = {"messages": [{"role": "user", "content": "hi"}]}
        url = f"{letta.url}/v1/agents/{agent.id}/messages/stream"
        frames = tuple(read_frames((await http.post(url, json=asked)).content))
    pings = [frame for frame in frames if frame.label == "ping"]
    assert len(pings) > 1
    assert len({frame.json["run_id"] for frame in pings}) == 1
    assert summary(frames).endswith("assistant_message stop:end_turn usage_statistics [DONE]")


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_chop_loses_nothing(letta: FakeLetta, client: AsyncLetta, size: int) -> None:
    """However the bytes are cut, the client reads the same events."""
    whole = await events(client, letta.add_agent("Whole", script=THREE))
    assert whole == await events(client, agent(letta, Fault(chop=size)))


async def test_slow_loris(letta: FakeLetta, asker: Asker) -> None:
    """Small pieces with pauses arrive whole in the end."""
    slow = agent(letta, Fault(chop=40, pause=0.001))
    assert text(await asker.stream(slow, "hi")) == "one two three"


async def test_drop(letta: FakeLetta, client: AsyncLetta) -> None:
    """A dropped connection is a protocol error of httpx itself."""
    with pytest.raises(httpx.RemoteProtocolError):
        await events(client, agent(letta, Fault(after=2, then="drop")))


async def test_stall(letta: FakeLetta) -> None:
    """After a stall nothing more comes, pings included; the run itself ends."""
    stalled = agent(letta, Fault(after=2, then="stall"))
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.1), verify=False) as http:
        asked = {"messages": [{"role": "user", "content": "hi"}]}
        url = f"{letta.url}/v1/agents/{stalled.id}/messages/stream"
        with pytest.raises(httpx.ReadTimeout):
            await http.post(url, json=asked)
    run = await letta.run()
    await run.ended()
    assert run.status == "completed"


async def test_end_too_early(letta: FakeLetta, client: AsyncLetta) -> None:
    """A stream that just stops is read without an error: the ending is missing."""
    seen = await events(client, agent(letta, Fault(after=2, then="end")))
    assert seen == ["ping", "assistant_message"]


async def test_no_done(letta: FakeLetta, asker: Asker) -> None:
    """The stream can lack its [DONE]."""
    frames = await asker.stream(agent(letta, Fault(done=False)), "hi")
    assert labels(frames)[-1] == "usage_statistics"


async def test_error_in_the_middle(letta: FakeLetta, client: AsyncLetta, asker: Asker) -> None:
    """A stream can fail as Letta's own do: two stop reasons, an error, no [DONE]."""
    failing = agent(letta, Fault(after=2, then="error"))
    frames = await asker.stream(failing, "hi")
    assert labels(frames)[2:] == ["stop:error", "stop:llm_api_error", "error:error_message"]
    with pytest.raises(APIStatusError):
        await events(client, failing)


async def test_unknown_type(letta: FakeLetta, client: AsyncLetta) -> None:
    """An event of an unknown type passes in between; the rest is whole."""
    seen = await events(client, agent(letta, Fault(after=2, then="unknown")))
    assert seen[2] == "unheard_of_message"
    assert seen[-1] == "usage_statistics"


async def test_malformed(letta: FakeLetta, client: AsyncLetta) -> None:
    """Broken JSON is a JSON error of the client's."""
    with pytest.raises(json.JSONDecodeError):
        await events(client, agent(letta, Fault(after=2, then="malformed")))


async def test_status_instead(letta: FakeLetta, client: AsyncLetta) -> None:
    """Instead of a stream there can be an HTTP status, with a body of its own."""
    with pytest.raises(APIStatusError) as caught:
        await events(client, agent(letta, Fault(status=502, body={"detail": "no"})))
    assert (caught.value.status_code, caught.value.body) == (502, {"detail": "no"})


async def test_fault_of_one_request(letta: FakeLetta, asker: Asker) -> None:
    """A rule spoils the next request only, whichever the agent."""
    letta.fail(Fault(after=1, then="end"), path="/messages", times=1)
    well = letta.add_agent("Well", script=THREE)
    spoilt, whole = await asker.stream(well, "hi"), await asker.stream(well, "hi")
    assert labels(spoilt) == ["assistant_message"]
    assert labels(whole)[-1] == "[DONE]"
