"""Conversations, runs, models and health."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta import FakeLetta, Fault
from gateway.testing.recordings import read_frames
from tests.gateway.testing.fakeletta.conftest import Asker, text


NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_health(asker: Asker) -> None:
    """The health check tells the version."""
    assert (await asker.http.get("/v1/health/")).json() == {"version": "0.16.8", "status": "ok"}


async def test_models(letta: FakeLetta, asker: Asker) -> None:
    """The models are those that agents can have."""
    listed = (await asker.http.get("/v1/models/")).json()
    assert tuple(model["handle"] for model in listed) == letta.models


async def test_conversations(letta: FakeLetta, asker: Asker) -> None:
    """A conversation is made, listed, read and deleted."""
    agent = letta.add_agent("Milo")
    made = await asker.http.post(f"/v1/conversations/?agent_id={agent.id}", json={"summary": "s"})
    path = f"/v1/conversations/{made.json()['id']}"
    listed = await asker.http.get(f"/v1/conversations/?agent_id={agent.id}")
    assert [each["id"] for each in listed.json()] == [made.json()["id"]]
    assert (await asker.http.get(path)).json()["summary"] == "s"
    statuses = [(await asker.http.delete(path)).status_code for _ in range(2)]
    assert statuses == [200, 404]


async def test_conversations_by_their_summary(letta: FakeLetta, asker: Asker) -> None:
    """Conversations are found by words of their summary."""
    agent = letta.add_agent("Milo")
    for summary in ("one day", "another day"):
        await asker.http.post(f"/v1/conversations/?agent_id={agent.id}", json={"summary": summary})
    found = await asker.http.get("/v1/conversations/", params={"summary_search": "one d"})
    assert [each["summary"] for each in found.json()] == ["one day"]


async def test_a_new_summary(letta: FakeLetta, asker: Asker) -> None:
    """A conversation's summary can be changed."""
    conversation = await asker.conversation(letta.add_agent("Milo"))
    path = f"/v1/conversations/{conversation}"
    changed = await asker.http.patch(path, json={"summary": "new"})
    assert changed.json()["summary"] == letta.conversations[conversation].summary == "new"
    assert (await asker.http.patch(path, json={})).json()["summary"] == "new"


@pytest.mark.parametrize(("query", "status"), [("", 422), (f"?agent_id=agent-{NOBODY}", 404)])
async def test_needs_an_agent(asker: Asker, query: str, status: int) -> None:
    """A conversation needs an agent that is there."""
    assert (await asker.http.post(f"/v1/conversations/{query}", json={})).status_code == status


async def test_deleting_an_agent_deletes_its_conversations(letta: FakeLetta, asker: Asker) -> None:
    """Conversations go with their agent."""
    agent = letta.add_agent("Milo")
    await asker.conversation(agent)
    await asker.http.delete(f"/v1/agents/{agent.id}")
    assert not letta.conversations


async def test_runs(letta: FakeLetta, asker: Asker) -> None:
    """A run tells how it ended, and what was said in it."""
    agent = letta.add_agent("Milo")
    await asker.stream(agent, "hello")
    await asker.stream(agent, "@@err429@@")
    done, failed = [(await asker.http.get(f"/v1/runs/{run}")).json() for run in letta.runs]
    said = (await asker.http.get(f"/v1/runs/{done['id']}/messages")).json()
    assert (done["status"], done["stop_reason"]) == ("completed", "end_turn")
    assert (failed["status"], failed["stop_reason"]) == ("failed", "llm_api_error")
    assert [each["message_type"] for each in said] == ["user_message", "assistant_message"]


@pytest.mark.parametrize(("run", "status"), [("nope", 400), (f"run-{NOBODY}", 404)])
async def test_no_such_run(asker: Asker, run: str, status: int) -> None:
    """An unknown run is a 404, an id that is none a 400."""
    assert (await asker.http.get(f"/v1/runs/{run}")).status_code == status


async def test_resumes(letta: FakeLetta, asker: Asker) -> None:
    """A background run can be read again from any event; a foreground one cannot."""
    agent = letta.add_agent("Milo")
    first = await asker.stream(agent, "@@plain:4@@", background=True)
    assert [frame.json["seq_id"] for frame in first[:4]] == [1, 2, 3, 4]
    path = f"/v1/runs/{first[0].json['run_id']}/stream"
    rest = await asker.http.post(path, json={"starting_after": 2})
    assert text(tuple(read_frames(rest.content))) == "word2 word3"
    await asker.stream(agent, "hello")
    refused = await asker.http.post(f"/v1/runs/{list(letta.runs)[-1]}/stream", json={})
    assert refused.status_code == 400


async def test_a_resumed_stream_breaks(letta: FakeLetta, asker: Asker) -> None:
    """What can go wrong with a stream can go wrong with the rest of one."""
    first = await asker.stream(letta.add_agent("Milo"), "@@plain:4@@", background=True)
    path = f"/v1/runs/{first[0].json['run_id']}/stream"
    letta.fail(Fault(after=1, then="end"), path="/stream$", times=1)
    for said in ("word1 ", "word1 word2 word3"):
        rest = await asker.http.post(path, json={"starting_after": 1})
        assert text(tuple(read_frames(rest.content))) == said


async def test_resume_of_an_unknown_message(letta: FakeLetta, asker: Asker) -> None:
    """A conversation without such a run has nothing to resume."""
    conversation = await asker.conversation(letta.add_agent("Milo"))
    path = f"/v1/conversations/{conversation}/stream"
    assert (await asker.http.post(path, json={"otid": "x"})).status_code == 404


async def test_runs_are_listed(letta: FakeLetta, asker: Asker) -> None:
    """Runs are listed, newest first: all, those of a conversation, and those that go on."""
    agent = letta.add_agent("Milo")
    conversation = await asker.conversation(agent)
    for where in (agent, conversation, agent):
        await asker.stream(where, "hi")
    runs = list(letta.runs)

    async def listed(**query: str) -> list[str]:
        answer = await asker.http.get("/v1/runs/", params=query)
        return [run["id"] for run in answer.json()]

    assert await listed() == runs[::-1]
    assert await listed(agent_id=agent.id, limit="1", order="asc") == runs[:1]
    assert await listed(conversation_id=conversation) == runs[1:2]
    assert await listed(active="true") == []
