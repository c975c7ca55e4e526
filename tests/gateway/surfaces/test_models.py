"""Agents as models."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from openai import NotFoundError
from yarl import URL

from gateway.call import USER_TAG, Agent, Model
from gateway.surfaces.models import entry
from gateway.testing.fakeletta import FakeLetta, Fault, ServerTool
from tests.gateway.played_letta import Refusal, said
from tests.gateway.serving import over, serving


NAMES = ["Milo", "team/Milo the 2nd", "日本語 🤖", "50% off?", "a#b&c=d", "a+b", "..", "é"]
AGENTS = {name: said("Hello") for name in NAMES}


async def test_all_models(tmp_path: Path) -> None:
    """Each agent is a model; the official SDK lists them."""
    async with serving(tmp_path, AGENTS) as served, served.openai() as client:
        models = [model async for model in client.models.list()]
    assert [model.id for model in models] == NAMES
    assert {model.owned_by for model in models} == {"letta"}
    assert {model.object for model in models} == {"model"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != ".."])
async def test_one_model_by_the_sdk(tmp_path: Path, name: str) -> None:
    """The official SDK gets a model of any name."""
    async with serving(tmp_path, AGENTS) as served, served.openai() as client:
        assert (await client.models.retrieve(name)).id == name


@pytest.mark.parametrize("safe", ["/", ""])
@pytest.mark.parametrize("name", [name for name in NAMES if name != ".."])
async def test_one_model(tmp_path: Path, name: str, safe: str) -> None:
    """A slash in a name may be sent as it is, or as %2F."""
    async with serving(tmp_path, AGENTS) as served:
        path = URL(f"{served.url}/v1/models/{quote(name, safe=safe)}", encoded=True)
        async with served.session.get(path) as answer:
            assert answer.status == 200
            assert (await answer.json())["id"] == name


async def test_one_model_by_its_agents_id(tmp_path: Path) -> None:
    """The agent's id finds it, too."""
    async with (
        serving(tmp_path, AGENTS) as served,
        served.get("/v1/models/agent-00000000-0000-4000-8000-000000000001") as answer,
    ):
        assert (await answer.json())["id"] == NAMES[1]


async def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    """It is 404 in OpenAI's shape, which the SDK raises."""
    async with serving(tmp_path, AGENTS) as served:
        async with served.get("/v1/models/milo") as answer:
            assert answer.status == 404
            error = (await answer.json())["error"]
        async with served.openai() as client:
            with pytest.raises(NotFoundError, match="milo"):
                await client.models.retrieve("milo")
    assert error["code"] == "model_not_found"
    assert error["param"] == "model"


async def test_a_model_that_is_not_there_but_one_like_it(tmp_path: Path) -> None:
    """The nearest is named, but never a user's own agent, which is not listed either."""
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Milo")
        letta.add_agent("Tutor for Ada", tags=(f"{USER_TAG}7",))
        async with over(letta.url, tmp_path) as gateway:
            for name, hint in (
                ("Mila", "Did you mean: Milo?"),
                ("Tutor for Eda", "GET /v1/models lists all there are."),
            ):
                async with gateway.get(f"/v1/models/{name}") as answer:
                    message = (await answer.json())["error"]["message"]
                assert message == f"The model '{name}' does not exist. {hint}"


async def test_letta_is_down(tmp_path: Path) -> None:
    """Without Letta there is no list, and the answer says why."""
    async with serving(tmp_path, AGENTS) as served:
        served.letta.down = Refusal(401, {"detail": "Unauthorized"})
        async with served.get("/v1/models") as answer:
            assert answer.status == 502
            assert (await answer.json())["error"]["code"] == "upstream_auth"


def test_what_open_webui_reads() -> None:
    """Name, description, tags and capabilities are where Open WebUI looks for them."""
    agent = Agent("agent-1", "Milo", description="Knows it all", tags=("a", "b"), created=7)
    shown = entry(Model("letta/Milo", agent))
    assert (shown["id"], shown["name"]) == ("letta/Milo", "Milo")
    assert shown["created"] == 7
    assert shown["tags"] == [{"name": "a"}, {"name": "b"}]
    assert shown["info"]["meta"]["description"] == "Knows it all"
    assert shown["info"]["meta"]["capabilities"]["builtin_tools"] is False
    assert shown["info"]["meta"]["capabilities"]["usage"] is True


def test_what_a_plugin_adds() -> None:
    """A plugin's extra keys stand over the others."""
    model = Model("Milo", Agent("agent-1", "Milo"), (), {"name": "Milo the cat", "more": 1})
    shown = entry(model)
    assert shown["name"] == "Milo the cat"
    assert shown["more"] == 1
    assert shown["id"] == "Milo"


def test_two_of_one_name() -> None:
    """Where the id is an agent's id, people see its name and the end of the id."""
    assert entry(Model("agent-12345678", Agent("agent-12345678", "Twin")))["name"] == "Twin (5678)"


def test_an_alias() -> None:
    """A model's aliases do not show up in the list, but are found."""
    assert "aliases" not in entry(Model("Milo", Agent("agent-1", "Milo"), ("agent-1",)))


PROXY = "get_weather__0123456789abcd"
PLUGINS = ["agent_resolver", "sampling", "conversation_resolver", "tool_bridge"]


async def told(tmp_path: Path, letta: FakeLetta, name: str, **settings: Any) -> Any:
    """What `/v1/models/{name}` tells of the agent; `settings` are those of plugins."""
    pipeline = [{"use": each, "config": settings.get(each, {})} for each in PLUGINS]
    async with (
        over(letta.url, tmp_path, pipeline=pipeline) as gateway,
        gateway.get(f"/v1/models/{name}") as answer,
    ):
        return (await answer.json())["letta"]


async def test_what_an_agent_can_do(tmp_path: Path) -> None:
    """Its type, model, tools and context window, and what of a request reaches its model."""
    async with FakeLetta() as letta:
        tools = [ServerTool(name, lambda sides: sides) for name in ("roll_dice", PROXY)]
        agent = letta.add_agent("Milo", tools=tools)
        assert await told(tmp_path, letta, "Milo") == {
            "agent_id": agent.id,
            "agent_type": "letta_v1_agent",
            "model": "openai-proxy/scripted-1",
            "context_window": 30000,
            "parallel_tool_calls": False,
            "client_tools": True,
            "carries": ["json_object", "json_schema", "max_tokens", "temperature"],
            "tools": ["roll_dice"],
        }


async def test_what_the_operator_does_not_let_it_do(tmp_path: Path) -> None:
    """Nothing is promised that the pipeline does not do, and older agents do less."""
    async with FakeLetta() as letta:
        letta.add_agent("Milo")
        letta.add_agent("Oldie", type="memgpt_agent")
        some = await told(tmp_path, letta, "Milo", sampling={"carry": ["response_format"]})
        ongoing = await told(tmp_path, letta, "Milo", conversation_resolver={"mode": "agent"})
        older = await told(tmp_path, letta, "Oldie", tool_bridge={"strategy": "client"})
    assert some["carries"] == ["json_object", "json_schema"]
    assert ongoing["carries"] == []
    assert (older["agent_type"], older["client_tools"], older["carries"]) == (
        "memgpt_agent",
        False,
        [],
    )


async def test_letta_does_not_tell_the_tools(tmp_path: Path) -> None:
    """The rest is told all the same."""
    async with FakeLetta() as letta:
        letta.add_agent("Milo")
        letta.fail(Fault(status=500), path="/tools")
        shown = await told(tmp_path, letta, "Milo")
    assert (shown["tools"], shown["agent_type"]) == (None, "letta_v1_agent")
