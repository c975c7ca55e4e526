"""Which pipeline answers a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from gateway.plugin import Context, Model, NoConfig, Plugin
from tests.gateway.played_letta import reasoning, said
from tests.gateway.serving import PIPELINE, USER, Served, serving


SCRIPT = [reasoning("Hm."), *said("Hello")]


def hiding(into: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A pipeline that shows reasoning in these fields."""
    entries: list[dict[str, Any]] = [{"use": name} for name in PIPELINE]
    entries[PIPELINE.index("reasoning_mapper")]["config"] = {"into": list(into)}
    return entries


@asynccontextmanager
async def routed(tmp_path: Path, **sections: Any) -> AsyncIterator[Served]:
    scripts = {"Milo": SCRIPT, "Support": SCRIPT}
    sections = {"pipelines": {"quiet": hiding()}, **sections}
    async with serving(tmp_path, scripts, **sections) as served:
        yield served


async def thought(
    served: Served, model: str, key: str = "any"
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The answer, and its message."""
    body = {"model": model, "messages": USER}
    async with served.post(body, headers={"Authorization": f"Bearer {key}"}) as answer:
        found = await answer.json()
        assert answer.status == 200, found
    return found, found["choices"][0]["message"]


async def listed(served: Served, key: str = "any") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with served.get("/v1/models", headers=headers) as answer:
        return {model["id"]: model for model in (await answer.json())["data"]}


async def test_a_route_by_model(tmp_path: Path) -> None:
    """The models that it names are answered by its pipeline, the others by the main one."""
    routes = [{"models": ["Supp*"], "pipeline": "quiet"}]
    async with routed(tmp_path, routes=routes) as served:
        assert "reasoning_content" not in (await thought(served, "Support"))[1]
        assert (await thought(served, "Milo"))[1]["reasoning_content"] == "Hm."


async def test_no_way_round_a_route(tmp_path: Path) -> None:
    """Who asks for the agent by its id is routed as by its name."""
    routes = [{"models": ["Support"], "pipeline": "quiet"}]
    async with routed(tmp_path, routes=routes) as served:
        async with served.get("/v1/models") as answer:
            assert "Support" in {model["id"] for model in (await answer.json())["data"]}
        agent = "agent-00000000-0000-4000-8000-000000000001"
        assert "reasoning_content" not in (await thought(served, agent))[1]
        assert set(served.letta.conversations.values()) == {agent}


async def test_a_route_by_key(tmp_path: Path) -> None:
    """Callers with one of its keys get its pipeline."""
    keys = [{"name": "ci", "key": "sk-ci"}, {"name": "ada", "key": "sk-ada"}]
    routes = [{"keys": ["ci"], "pipeline": "quiet"}]
    async with routed(tmp_path, keys=keys, routes=routes) as served:
        assert "reasoning_content" not in (await thought(served, "Milo", "sk-ci"))[1]
        assert "reasoning_content" in (await thought(served, "Milo", "sk-ada"))[1]


async def test_the_first_route_that_fits(tmp_path: Path) -> None:
    """Those below it are not looked at."""
    pipelines = {"quiet": hiding(), "loud": hiding(["reasoning"])}
    routes = [{"models": ["Milo"], "pipeline": "loud"}, {"pipeline": "quiet"}]
    async with routed(tmp_path, pipelines=pipelines, routes=routes) as served:
        assert (await thought(served, "Milo"))[1]["reasoning"] == "Hm."
        assert "reasoning" not in (await thought(served, "Support"))[1]


async def test_an_alias(tmp_path: Path) -> None:
    """It is answered by its agent through its pipeline, and called as it was asked for."""
    models = [{"id": "helpdesk", "agent": "Support", "pipeline": "quiet"}]
    async with routed(tmp_path, models=models) as served:
        answer, message = await thought(served, "helpdesk")
        assert answer["model"] == "helpdesk"
        assert message["content"] == "Hello"
        assert "reasoning_content" not in message
        assert "reasoning_content" in (await thought(served, "Support"))[1]


async def test_an_alias_with_settings(tmp_path: Path) -> None:
    """They are put over those of its pipeline."""
    models = [
        {"id": "open", "agent": "Milo", "settings": {"reasoning_mapper": {"into": ["reasoning"]}}},
        {"id": "shut", "agent": "Milo", "settings": {"reasoning_mapper": {"into": []}}},
    ]
    async with routed(tmp_path, models=models) as served:
        assert "reasoning_content" not in (await thought(served, "open"))[1]
        assert (await thought(served, "open"))[1]["reasoning"] == "Hm."
        assert "reasoning" not in (await thought(served, "shut"))[1]


async def test_an_alias_without_a_pipeline(tmp_path: Path) -> None:
    """The routes decide, by its own name."""
    models = [{"id": "helpdesk", "agent": "Support"}]
    routes = [{"models": ["help*"], "pipeline": "quiet"}]
    async with routed(tmp_path, models=models, routes=routes) as served:
        assert "reasoning_content" not in (await thought(served, "helpdesk"))[1]


async def test_what_is_listed(tmp_path: Path) -> None:
    """Agents and aliases, each once; an alias tells its own description and capabilities."""
    models = [
        {
            "id": "helpdesk",
            "agent": "Support",
            "description": "Helps.",
            "suggestions": ["My screen is black"],
            "capabilities": {"vision": False},
        },
        {"id": "nobody", "agent": "Nemo"},
    ]
    routes = [{"models": ["Supp*"], "pipeline": "quiet"}]
    async with routed(tmp_path, models=models, routes=routes) as served:
        found = await listed(served)
        async with served.get("/v1/models/helpdesk") as answer:
            assert (await answer.json())["id"] == "helpdesk"
    assert list(found) == ["Milo", "Support", "helpdesk"]
    meta = found["helpdesk"]["info"]["meta"]
    assert found["helpdesk"]["name"] == "helpdesk"
    assert meta["description"] == "Helps."
    assert meta["suggestion_prompts"] == [{"content": "My screen is black"}]
    assert meta["capabilities"]["vision"] is False
    assert meta["capabilities"]["usage"] is True


async def test_a_pipeline_that_lists_otherwise(tmp_path: Path) -> None:
    """A caller sees what the pipeline of their key lists."""
    picky = hiding()
    picky[0]["config"] = {"prefix": "ci/"}
    keys = [{"name": "ci", "key": "sk-ci"}, {"name": "ada", "key": "sk-ada"}]
    routes = [{"keys": ["ci"], "pipeline": "picky"}]
    async with routed(tmp_path, keys=keys, pipelines={"picky": picky}, routes=routes) as served:
        assert list(await listed(served, "sk-ci")) == ["ci/Milo", "ci/Support"]
        assert list(await listed(served, "sk-ada")) == ["Milo", "Support"]


async def test_a_chat_goes_on_in_another_pipeline(tmp_path: Path) -> None:
    """Steps of one id share what they have stored: an alias and its agent are one chat."""
    models = [{"id": "helpdesk", "agent": "Support", "pipeline": "quiet"}]
    chat = {"X-Letta-Chat-Key": "ada-1"}
    async with routed(tmp_path, models=models) as served:
        said: list[Any] = []
        for model in ("Support", "helpdesk"):
            said += USER
            async with served.post({"model": model, "messages": said}, headers=chat) as answer:
                assert answer.status == 200
                said.append((await answer.json())["choices"][0]["message"])
        assert len(served.letta.conversations) == 1


class Priced(Plugin[NoConfig]):
    """Tells a price with each model."""

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        return [attrs.evolve(model, extra={"info": {"meta": {"price": 3}}}) for model in found]


async def test_what_plugins_tell_of_a_model(tmp_path: Path) -> None:
    """It is told of its alias, too."""
    models = [{"id": "helpdesk", "agent": "Support", "capabilities": {"vision": False}}]
    steps = [*({"use": name} for name in PIPELINE), {"use": f"{__name__}:Priced"}]
    async with routed(tmp_path, pipeline=steps, models=models) as served:
        meta = (await listed(served))["helpdesk"]["info"]["meta"]
    assert meta["price"] == 3
    assert meta["capabilities"]["vision"] is False


async def test_an_alias_of_an_agent_with_a_route(tmp_path: Path) -> None:
    """A route for its agent is one for the alias."""
    models = [{"id": "helpdesk", "agent": "Support"}]
    routes = [{"models": ["Support"], "pipeline": "quiet"}]
    async with routed(tmp_path, models=models, routes=routes) as served:
        assert "reasoning_content" not in (await thought(served, "helpdesk"))[1]


class Listings(Plugin[NoConfig]):
    """Counts how often models are listed."""

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        counted.append(context.request_id)
        return found


counted: list[str] = []


async def test_a_route_costs_no_listings(tmp_path: Path) -> None:
    """The names that a route needs are looked up from time to time, not for each request."""
    counted.clear()
    quiet = [*hiding(), {"use": f"{__name__}:Listings"}]
    routes = [{"models": ["Supp*"], "pipeline": "quiet"}]
    async with routed(tmp_path, pipelines={"quiet": quiet}, routes=routes) as served:
        for _ in range(5):
            await thought(served, "Support")
    assert len(counted) == 1
