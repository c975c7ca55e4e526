"""Asking agents, reading what was said, cancelling."""

from __future__ import annotations

import httpx
import pytest

from gateway.testing import recordings
from gateway.testing.fakeletta import FakeLetta
from tests.gateway.testing.fakeletta.conftest import Asker, text


TOOLS = [{"name": "get_weather"}]


def kinds(answer: httpx.Response) -> list[str]:
    """The types of the messages in a list."""
    return [each["message_type"].removesuffix("_message") for each in answer.json()]


async def test_json_answer(letta: FakeLetta, asker: Asker) -> None:
    """Without streaming the answer is one JSON body."""
    path = f"/v1/agents/{letta.add_agent('Milo').id}/messages"
    answer = (await asker.http.post(path, json={"input": "hello"})).json()
    assert answer["messages"][0]["content"] == "You said: hello"
    assert answer["stop_reason"]["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": "hello"},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "user", "content": "x"}], "stream_tokens": True},
        {"messages": [{"role": "user", "content": "x"}], "include_pings": False},
        {},
    ],
)
async def test_refuses(letta: FakeLetta, asker: Asker, body: dict[str, object]) -> None:
    """What Letta does not take is a 422."""
    path = f"/v1/agents/{letta.add_agent('Milo').id}/messages"
    assert (await asker.http.post(path, json=body)).status_code == 422


async def test_streaming_needs_a_new_client(letta: FakeLetta, asker: Asker) -> None:
    """`streaming: true` is refused unless the client says that it is the SDK of today."""
    path = f"{letta.url}/v1/agents/{letta.add_agent('Milo').id}/messages"
    asked = {"messages": [{"role": "user", "content": "x"}], "streaming": True}
    async with httpx.AsyncClient(verify=False) as http:
        assert (await http.post(path, json=asked)).status_code == 422


async def test_histories(letta: FakeLetta, asker: Asker) -> None:
    """Each conversation has its own history; an agent's list has them all."""
    agent = letta.add_agent("Milo")
    one, other = await asker.conversation(agent), await asker.conversation(agent)
    await asker.stream(one, "first")
    await asker.stream(other, "second")
    listed = await asker.http.get(f"/v1/conversations/{one}/messages?order=asc")
    everything = await asker.http.get(f"/v1/agents/{agent.id}/messages")
    own = await asker.http.get(f"/v1/agents/{agent.id}/messages?conversation_id=default")
    assert kinds(listed) == ["system", "user", "assistant"]
    assert sorted(kinds(everything)) == ["assistant"] * 2 + ["system"] * 3 + ["user"] * 2
    assert kinds(own) == ["system"]


async def test_order_of_lists(letta: FakeLetta, asker: Asker) -> None:
    """A conversation's newest message comes first; an agent's newest page is oldest first."""
    agent = letta.add_agent("Milo")
    conversation = await asker.conversation(agent)
    await asker.stream(conversation, "hi")
    await asker.stream(agent, "hi")
    newest = await asker.http.get(f"/v1/conversations/{conversation}/messages?limit=2")
    page = await asker.http.get(
        f"/v1/agents/{agent.id}/messages?limit=2&conversation_id=default&order=desc"
    )
    assert kinds(newest) == ["assistant", "user"]
    assert kinds(page) == ["user", "assistant"]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_cursors_go_by_time(letta: FakeLetta, asker: Asker, order: str) -> None:
    """In a conversation's list `before` is what was said earlier, however the list is ordered."""
    conversation = await asker.conversation(letta.add_agent("Milo"))
    for said in ("one", "two"):
        await asker.stream(conversation, said)
    path = f"/v1/conversations/{conversation}/messages"
    ids = [message.id for message in letta.conversations[conversation].context.log]
    for cursor, expected in (("before", ids[:2]), ("after", ids[3:])):
        query = {"order": order, cursor: ids[2]}
        listed = [each["id"] for each in (await asker.http.get(path, params=query)).json()]
        assert listed == (expected if order == "asc" else expected[::-1])


async def test_default_conversation(letta: FakeLetta, asker: Asker) -> None:
    """`default` with an agent's id is the agent's own conversation."""
    agent = letta.add_agent("Milo")
    assert text(await asker.stream("default", "hello", agent_id=agent.id)) == "You said: hello"
    listed = await asker.http.get(f"/v1/conversations/default/messages?agent_id={agent.id}")
    assert kinds(listed) == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("conversation", "status"),
    [("default", 404), ("nonsense", 422), ("conv-00000000-0000-4000-8000-000000000000", 404)],
)
async def test_no_such_conversation(asker: Asker, conversation: str, status: int) -> None:
    """Unknown conversations are a 404, ids that are none a 422."""
    asked = {"messages": [{"role": "user", "content": "x"}]}
    answer = await asker.http.post(f"/v1/conversations/{conversation}/messages", json=asked)
    assert answer.status_code == status


async def test_cancelling_denies_what_is_pending(letta: FakeLetta, asker: Asker) -> None:
    """Cancelling a run denies the agent's own pending call, whatever run it is."""
    agent = letta.add_agent("Milo")
    await asker.stream(agent, "@@tool@@", client_tools=TOOLS)
    conversation = await asker.conversation(agent)
    await asker.stream(conversation, "@@tool@@", client_tools=TOOLS)
    run_id = list(letta.runs)[-1]
    path = f"/v1/agents/{agent.id}/messages/cancel"
    answer = await asker.http.post(path, json={"run_ids": [run_id, "run-unknown"]})
    assert answer.json() == {run_id: "cancelled", "run-unknown": "failed"}
    assert agent.context.pending is None
    assert letta.conversations[conversation].context.pending is not None


async def test_pending_is_a_conflict(letta: FakeLetta, asker: Asker) -> None:
    """A plain message on top of a pending call is a 409; a conversation says less of it."""
    agent = letta.add_agent("Milo")
    conversation = await asker.conversation(agent)
    details = []
    for where in (agent, conversation):
        await asker.stream(where, "@@tool@@", client_tools=TOOLS)
    asked = {"messages": [{"role": "user", "content": "x"}], "streaming": False}
    for path in (f"/v1/agents/{agent.id}", f"/v1/conversations/{conversation}"):
        answer = await asker.http.post(f"{path}/messages", json=asked)
        assert answer.status_code == 409
        details.append(type(answer.json()["detail"]))
    assert details == [dict, str]


@pytest.mark.parametrize("name", ["v1-md-tok", "v1-drop-tok"])
async def test_plays_a_recording(letta: FakeLetta, asker: Asker, name: str) -> None:
    """An agent can answer with a recording, byte for byte."""
    recording = recordings.read(name)
    agent = letta.add_agent("Tape", recording=recording)
    assert await asker.stream(agent, "hi") == recording.frames


async def test_plays_a_json_recording(letta: FakeLetta, asker: Asker) -> None:
    """A recorded JSON answer is given with its status."""
    recording = recordings.read("v1-err429-nostream")
    agent = letta.add_agent("Tape", recording=recording)
    answer = await asker.http.post(f"/v1/agents/{agent.id}/messages", json={"input": "hi"})
    assert (answer.status_code, answer.content) == (429, recording.data)
