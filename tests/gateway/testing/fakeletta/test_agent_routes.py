"""`/v1/agents/`: list, create, read, change, delete."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta import FakeLetta, ServerTool
from tests.gateway.testing.fakeletta.conftest import Asker


NOBODY = "agent-00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _agents(letta: FakeLetta) -> None:
    letta.add_agent("Ada", tags=("x", "y"))
    letta.add_agent("Bob", tags=("x",))
    letta.add_agent("Adam", tags=("z",))
    letta.add_agent("Ghost", hidden=True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Adam", "Bob", "Ada"]),
        ("order=asc", ["Ada", "Bob", "Adam"]),
        ("limit=2", ["Adam", "Bob"]),
        ("limit=0", ["Adam", "Bob", "Ada"]),
        ("name=Ada", ["Ada"]),
        ("name=ada", []),
        ("query_text=AD", ["Adam", "Ada"]),
        ("tags=x", ["Bob", "Ada"]),
        ("tags=x&tags=z", ["Adam", "Bob", "Ada"]),
        ("tags=x&tags=y&match_all_tags=true", ["Ada"]),
        ("show_hidden_agents=true", ["Ghost", "Adam", "Bob", "Ada"]),
        (f"after={NOBODY}", ["Adam", "Bob", "Ada"]),
    ],
)
async def test_lists(asker: Asker, query: str, names: list[str]) -> None:
    """Agents are filtered, ordered and limited as the query says."""
    answer = await asker.http.get(f"/v1/agents/?{query}")
    assert [agent["name"] for agent in answer.json()] == names


@pytest.mark.parametrize("query", ["order=sideways", "limit=many"])
async def test_refuses_nonsense(asker: Asker, query: str) -> None:
    """A query of the wrong form is a 422."""
    assert (await asker.http.get(f"/v1/agents/?{query}")).status_code == 422


async def test_cursors(letta: FakeLetta, asker: Asker) -> None:
    """`after` and `before` are places in the order that was asked for."""
    bob = next(agent.id for agent in letta.agents.values() if agent.name == "Bob")
    after = await asker.http.get(f"/v1/agents/?after={bob}")
    before = await asker.http.get(f"/v1/agents/?before={bob}")
    assert [each["name"] for each in after.json()] == ["Ada"]
    assert [each["name"] for each in before.json()] == ["Adam"]


async def test_tools_of_an_agent(letta: FakeLetta, asker: Asker) -> None:
    """An agent's own tools can be listed."""
    agent = letta.add_agent(
        "Zoe", tools=[ServerTool("look", lambda: 1), ServerTool("listen", lambda: 2)]
    )
    listed = (await asker.http.get(f"/v1/agents/{agent.id}/tools")).json()
    assert [tool["name"] for tool in listed] == ["look", "listen"]


@pytest.mark.parametrize(("agent_id", "status"), [(NOBODY, 404), ("nonsense", 422)])
async def test_no_such_agent(asker: Asker, agent_id: str, status: int) -> None:
    """An unknown id is a 404, one that is none a 422."""
    assert (await asker.http.get(f"/v1/agents/{agent_id}")).status_code == status


async def test_creates_changes_deletes(letta: FakeLetta, asker: Asker) -> None:
    """An agent can be made, changed and deleted."""
    made = {"name": "Eve", "model": letta.models[0], "agent_type": "memgpt_agent", "tags": ["a"]}
    agent_id = (await asker.http.post("/v1/agents/", json=made)).json()["id"]
    path = f"/v1/agents/{agent_id}"
    assert letta.agents[agent_id].older
    changed = await asker.http.patch(path, json={"description": "New", "tags": ["b"]})
    assert (changed.json()["description"], changed.json()["tags"]) == ("New", ["b"])
    statuses = [(await asker.http.delete(path)).status_code for _ in range(2)]
    assert statuses == [200, 404]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a@b", "model": "openai-proxy/scripted-1"}, 500),
        ({"name": "Eve"}, 400),
        ({"name": "Eve", "model": "openai-proxy/none"}, 404),
        ({"name": "Eve", "model": "openai-proxy/scripted-1", "agent_type": "spy"}, 422),
    ],
)
async def test_cannot_be_made(asker: Asker, body: dict[str, str], status: int) -> None:
    """What the real server refuses is refused with the same status."""
    assert (await asker.http.post("/v1/agents/", json=body)).status_code == status


async def test_shows_what_is_pending(letta: FakeLetta, asker: Asker) -> None:
    """The call that waits for a client is shown to those who ask for it."""
    agent = letta.add_agent("Waiting")
    await asker.stream(agent, "@@tool@@", client_tools=[{"name": "get_weather"}])
    path = f"/v1/agents/{agent.id}"
    shown = (await asker.http.get(f"{path}?include=agent.pending_approval")).json()
    bare = (await asker.http.get(path)).json()
    assert shown["pending_approval"]["tool_calls"][0]["tool_call_id"] == "call_one"
    assert bare["pending_approval"] is None


async def test_made_with_blocks_and_tools(letta: FakeLetta, asker: Asker) -> None:
    """An agent gets its blocks and, by their names, its tools; one that is not there is a 400."""
    tool = ServerTool("search", lambda query: query)
    letta.add_agent("Finder", tools=[tool])
    block = {"label": "persona", "value": "I am."}
    wanted = {"name": "New", "model": letta.models[0], "memory_blocks": [block]}
    made = await asker.http.post("/v1/agents/", json={**wanted, "tools": ["search"]})
    agent = letta.agents[made.json()["id"]]
    assert (agent.blocks, list(agent.tools)) == ((block,), ["search"])
    refused = await asker.http.post("/v1/agents/", json={**wanted, "tools": ["nothing"]})
    assert refused.status_code == 400
    assert "nothing" in refused.text
