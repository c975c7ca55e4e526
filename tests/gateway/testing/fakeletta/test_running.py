"""Runs: their own tasks, one at a time in a conversation, to their end."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gateway.testing.fakeletta import Ask, FakeLetta, Step
from tests.gateway.testing.fakeletta.conftest import Asker, labels, text


SLOW = [Step("a b", n=2, delay=75.0)]


async def test_disconnect_does_not_stop_a_run(letta: FakeLetta, asker: Asker) -> None:
    """A client that leaves does not stop the run; it is kept as if it had been read."""
    agent = letta.add_agent("Slow", script=SLOW)
    path = f"/v1/agents/{agent.id}/messages/stream"
    asked = {"messages": [{"role": "user", "content": "hi"}], "stream_tokens": True}
    async with asker.http.stream("POST", path, json=asked) as answer:
        await anext(answer.aiter_bytes())
    run = await letta.run()
    await run.ended()
    assert run.status == "completed"
    assert agent.context.window[-1].text == "a b"


async def test_a_conversation_is_busy(letta: FakeLetta, asker: Asker) -> None:
    """A second stream in a conversation is a 409 that names the run; JSON takes no lock."""
    agent = letta.add_agent("Milo", script=lambda ask: SLOW if ask.said == "slow" else [])
    conversation = await asker.conversation(agent)
    first = asyncio.create_task(asker.stream(conversation, "slow"))
    run = await letta.run()
    path = f"/v1/conversations/{conversation}/messages"
    asked = {"messages": [{"role": "user", "content": "hi"}]}
    refused = await asker.http.post(path, json=asked)
    passed = await asker.http.post(path, json={**asked, "streaming": False})
    assert (refused.status_code, refused.json()["run_id"]) == (409, run.id)
    assert passed.status_code == 200
    assert labels(await first)[-1] == "[DONE]"
    assert text(await asker.stream(conversation, "hi")) == "done"


async def test_other_conversations_are_free(letta: FakeLetta, asker: Asker) -> None:
    """Other conversations of the agent are not held up, nor is the agent itself."""
    agent = letta.add_agent("Milo", script=lambda ask: SLOW if ask.said == "slow" else [])
    busy, free = await asker.conversation(agent), await asker.conversation(agent)
    first = asyncio.create_task(asker.stream(busy, "slow"))
    await letta.run()
    assert text(await asker.stream(free, "hi")) == "done"
    assert text(await asker.stream(agent, "hi")) == "done"
    await first


async def test_agents_have_no_lock(letta: FakeLetta, asker: Asker) -> None:
    """Two runs at once on an agent both answer, and one exchange is lost to its context."""
    agent = letta.add_agent("Milo", script=SLOW)
    await asyncio.gather(asker.stream(agent, "one"), asker.stream(agent, "two"))
    assert len(agent.context.window) == 3
    assert len(agent.context.log) == 5


async def test_without_redis_there_is_no_lock() -> None:
    """Without Redis two streams in a conversation both run, and background ones do not."""
    async with FakeLetta(pace=0.01, redis=False) as letta, httpx.AsyncClient(verify=False) as http:
        agent = letta.add_agent("Slow", script=SLOW)
        url = f"{letta.url}/v1/conversations/default/messages"
        asked = {"messages": [{"role": "user", "content": "hi"}], "agent_id": agent.id}
        answers = await asyncio.gather(http.post(url, json=asked), http.post(url, json=asked))
        background = await http.post(url, json={**asked, "background": True})
    assert [answer.status_code for answer in answers] == [200, 200]
    assert background.status_code == 503


async def test_a_retry_reads_the_first_run(letta: FakeLetta, asker: Asker) -> None:
    """The same background message in a conversation, sent again, is not run again."""
    conversation = await asker.conversation(letta.add_agent("Milo"))
    message = {"role": "user", "content": "hi", "otid": "11111111-1111-4111-8111-111111111111"}
    one, two = [await asker.stream(conversation, message, background=True) for _ in range(2)]
    assert one == two
    assert len(letta.runs) == 1


async def test_unknown_model(letta: FakeLetta, asker: Asker) -> None:
    """A model that the server does not have is a 404."""
    path = f"/v1/agents/{letta.add_agent('Milo').id}/messages"
    answer = await asker.http.post(path, json={"input": "hi", "override_model": "no/such"})
    assert answer.status_code == 404


async def test_a_broken_script_is_told(letta: FakeLetta, asker: Asker) -> None:
    """A script that raises ends the stream in an error that says so."""

    def broken(ask: Ask) -> list[Step]:
        raise RuntimeError("oops")

    frames = await asker.stream(letta.add_agent("Broken", script=broken), "hi")
    assert "oops" in frames[-2].json["detail"]


@pytest.mark.parametrize(("own", "status"), [(True, 409), (False, 200)])
async def test_a_lock_that_stays(letta: FakeLetta, asker: Asker, own: bool, status: int) -> None:
    """Letta forgets to open an agent's own conversation again when its run is cancelled."""
    agent = letta.add_agent("Slow", script=SLOW)
    where = "default" if own else await asker.conversation(agent)
    asked = {"messages": [{"role": "user", "content": "hi"}], "agent_id": agent.id}
    url = f"/v1/conversations/{where}/messages"
    first = asyncio.create_task(asker.http.post(url, json=asked))
    run = await letta.run(1)
    await asker.http.post(f"/v1/agents/{agent.id}/messages/cancel", json={"run_ids": [run.id]})
    await first
    assert (await asker.http.post(url, json=asked)).status_code == status


async def test_a_lock_that_goes_too_early(letta: FakeLetta, asker: Asker) -> None:
    """A cancelled run frees its conversation at once, although it goes on until it notices."""
    agent = letta.add_agent("Milo")
    url = f"/v1/conversations/{await asker.conversation(agent)}/messages"
    hangs = {"messages": [{"role": "user", "content": "@@hang@@"}], "stream_tokens": True}
    first = asyncio.create_task(asker.http.post(url, json=hangs))
    run = await letta.run(1)
    await asker.http.post(f"/v1/agents/{agent.id}/messages/cancel", json={"run_ids": [run.id]})
    asked = {"messages": [{"role": "user", "content": "hi"}]}
    assert (await asker.http.post(url, json=asked)).status_code == 200
    assert not run.over
    first.cancel()
