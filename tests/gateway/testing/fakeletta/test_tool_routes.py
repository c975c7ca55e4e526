"""`/v1/tools/`, and the tools of an agent."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.testing.fakeletta import FakeAgent, FakeLetta, ServerTool
from tests.gateway.testing.fakeletta.conftest import Asker, labels


NOTHING = "tool-00000000-0000-4000-8000-000000000000"
SOURCE = "def f():\n    pass\n"


def made(name: str, **more: Any) -> dict[str, Any]:
    """The body that makes a tool."""
    parameters = {"type": "object", "properties": {}, "required": []}
    schema = {"name": name, "description": "Looks.", "parameters": parameters}
    return {"source_code": SOURCE, "json_schema": schema, **more}


async def upserted(asker: Asker, name: str, **more: Any) -> dict[str, Any]:
    answer = await asker.http.put("/v1/tools/", json=made(name, **more))
    assert answer.status_code == 200, answer.text
    tool: dict[str, Any] = answer.json()
    return tool


@pytest.fixture(name="milo")
def _milo(letta: FakeLetta) -> FakeAgent:
    return letta.add_agent("Milo", tools=[ServerTool("own", lambda: "done")])


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_by_name(asker: Asker, method: str) -> None:
    """One tool of a name: the next to make it changes it."""
    first = await upserted(asker, "look", tags=["a"])
    changed = made("look", tags=["b"], default_requires_approval=True)
    second = (await asker.http.request(method, "/v1/tools/", json=changed)).json()
    assert second["id"] == first["id"]
    assert (second["tags"], second["default_requires_approval"]) == (["b"], True)


async def test_tags_stay(asker: Asker) -> None:
    """No tags leave the old ones as they are."""
    await upserted(asker, "look", tags=["a"])
    assert (await upserted(asker, "look"))["tags"] == ["a"]


@pytest.mark.parametrize(("without", "status"), [("source_code", 422), ("json_schema", 400)])
async def test_needs_its_source_and_schema(asker: Asker, without: str, status: int) -> None:
    """A tool without either is refused."""
    body = {key: value for key, value in made("look").items() if key != without}
    assert (await asker.http.put("/v1/tools/", json=body)).status_code == status


async def test_lists(asker: Asker, milo: FakeAgent) -> None:
    """All tools there are, newest first, agents' own too."""
    await upserted(asker, "look")
    listed = (await asker.http.get("/v1/tools/")).json()
    assert [tool["name"] for tool in listed] == ["look", "own"]
    found = (await asker.http.get("/v1/tools/?search=OO&order=asc")).json()
    assert [tool["name"] for tool in found] == ["look"]


async def test_reads(asker: Asker) -> None:
    """One tool, by its id."""
    tool = await upserted(asker, "look")
    assert (await asker.http.get(f"/v1/tools/{tool['id']}")).json() == tool


@pytest.mark.parametrize(
    ("method", "tool_id", "status"),
    [("GET", NOTHING, 404), ("GET", "x", 422), ("DELETE", NOTHING, 400), ("DELETE", "x", 422)],
)
async def test_no_such_tool(asker: Asker, method: str, tool_id: str, status: int) -> None:
    """What is not there is refused, in Letta's various ways."""
    answer = await asker.http.request(method, f"/v1/tools/{tool_id}")
    assert answer.status_code == status


async def test_attached(asker: Asker, milo: FakeAgent) -> None:
    """An agent has it once, however often it is attached, and has the newest form of it."""
    tool = await upserted(asker, "look")
    for _ in range(2):
        path = f"/v1/agents/{milo.id}/tools/attach/{tool['id']}"
        assert (await asker.http.patch(path)).json() is None
    await upserted(asker, "look", description="Looks well.")
    listed = (await asker.http.get(f"/v1/agents/{milo.id}/tools")).json()
    assert [(each["name"], each["description"]) for each in listed][1:] == [("look", "Looks well.")]


async def test_attaching_what_is_not_there(asker: Asker, milo: FakeAgent) -> None:
    """It is refused."""
    path = f"/v1/agents/{milo.id}/tools/attach/{NOTHING}"
    assert (await asker.http.patch(path)).status_code == 404


async def test_the_rule_outlives_the_tool(asker: Asker, milo: FakeAgent) -> None:
    """Detached or deleted, the tool leaves its rule behind."""
    tool = await upserted(asker, "look", default_requires_approval=True)
    await asker.http.patch(f"/v1/agents/{milo.id}/tools/attach/{tool['id']}")
    for _ in range(2):
        gone = await asker.http.patch(f"/v1/agents/{milo.id}/tools/detach/{tool['id']}")
        assert gone.status_code == 200
    await asker.http.delete(f"/v1/tools/{tool['id']}")
    state = (await asker.http.get(f"/v1/agents/{milo.id}?include=agent.tools")).json()
    assert [each["name"] for each in state["tools"]] == ["own"]
    assert [rule["tool_name"] for rule in state["tool_rules"]] == ["look"]


async def test_deleted(asker: Asker, milo: FakeAgent) -> None:
    """No agent has it any more."""
    tool = await upserted(asker, "look")
    await asker.http.patch(f"/v1/agents/{milo.id}/tools/attach/{tool['id']}")
    assert (await asker.http.delete(f"/v1/tools/{tool['id']}")).status_code == 200
    assert list(milo.tools) == ["own"]


async def test_approval(asker: Asker, milo: FakeAgent) -> None:
    """Whether a tool waits can be said for each agent, and for tools that it has not."""
    path = f"/v1/agents/{milo.id}/tools/approval/own"
    for wanted in (True, True):
        await asker.http.patch(path, json={"requires_approval": wanted})
    assert labels(await asker.stream(milo, "@@tool:own@@"))[-3] == "stop:requires_approval"
    for wanted in (False, False):
        await asker.http.patch(path, json={"requires_approval": wanted})
    assert milo.tool_rules == []
    assert (await asker.http.patch(path, json={})).status_code == 422


async def test_rules_are_set(asker: Asker, milo: FakeAgent) -> None:
    """All at once, as the agent is changed."""
    rules = [{"tool_name": "own", "type": "requires_approval"}]
    await asker.http.patch(f"/v1/agents/{milo.id}", json={"tool_rules": rules})
    assert milo.waits("own")
    await asker.http.patch(f"/v1/agents/{milo.id}", json={"tool_rules": []})
    assert not milo.waits("own")


async def test_made_with_tools(letta: FakeLetta, asker: Asker) -> None:
    """An agent can be made with tools."""
    tool = await upserted(asker, "look", default_requires_approval=True)
    body = {"name": "Ada", "model": "openai-proxy/scripted-1", "tool_ids": [tool["id"]]}
    made_agent = (await asker.http.post("/v1/agents/", json=body)).json()
    assert letta.agents[made_agent["id"]].waits("look")


async def test_its_source_is_not_run(asker: Asker, milo: FakeAgent) -> None:
    """There is no sandbox here: calling it is an error."""
    tool = await upserted(asker, "look")
    await asker.http.patch(f"/v1/agents/{milo.id}/tools/attach/{tool['id']}")
    (result,) = [
        frame.json
        for frame in await asker.stream(milo, "@@tool:look@@")
        if frame.label == "tool_return_message"
    ]
    assert result["status"] == "error"
