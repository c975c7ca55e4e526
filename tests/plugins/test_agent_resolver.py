from __future__ import annotations

import pytest

from gateway.call import USER_TAG, Agent, Call
from gateway.services import Context
from gateway.testing.fakeletta import FakeLetta
from plugins.agent_resolver import Catalogue, Config
from tests.plugins.agents import find, housed, listings, models, refused
from tests.plugins.house import built


LISTING = r"^/v1/agents/$"


async def test_exact_name_or_id() -> None:
    """A model is an agent's exact name, or its id."""
    async with housed("Milo", "Bo") as (letta, house):
        milo = next(iter(letta.agents))
        assert (await find(house, "Milo")).id == milo
        assert (await find(house, milo)).name == "Milo"


@pytest.mark.parametrize("model", ["milo", "MILO", "Mil", "Milo ", " Milo", "Milo2"])
async def test_near_names_are_offered_not_taken(model: str) -> None:
    """Case and spaces matter: a name that is nearly right is refused with the right one."""
    async with housed("Milo", "Unrelated thing") as (_, house):
        message = await refused(house, model)
        assert "Did you mean: Milo?" in message


async def test_only_near_names_are_offered() -> None:
    """A name that differs by its case alone is the one that was meant; the prefix matters not."""
    async with housed("Milo", "Slow", "Milos") as (_, house):
        assert (await refused(house, "milo")).endswith("Did you mean: Milo?")
    async with housed("Milo", "MILO", prefix="letta/") as (_, house):
        message = await refused(house, "milo")
        assert message.endswith(
            ("Did you mean: letta/Milo, letta/MILO?", "letta/MILO, letta/Milo?")
        )


async def test_unknown_name() -> None:
    """A name like no other is refused, and the only agent is no fallback."""
    async with housed("Milo") as (_, house):
        assert "GET /v1/models" in await refused(house, "gpt-5-turbo")


async def test_users_own_agents_are_offered_to_nobody() -> None:
    """Neither their names, which may have a user's in them, nor their ids are told."""
    async with FakeLetta(pace=0) as letta:
        for name in ("Tutor for Ada", "Tutor for Bo", "Tutor for Bo"):
            letta.add_agent(name, tags=(f"{USER_TAG}7",))
        async with built(letta) as house:
            for name in ("Tutor for Eda", "Tutor for Bo"):
                assert (await refused(house, name)).endswith("GET /v1/models lists all there are.")


async def test_shared_name_needs_the_id() -> None:
    """A name of two agents is refused with both ids; the ids are their models."""
    async with housed("Milo", "Milo", "Bo") as (letta, house):
        first, second, _ = letta.agents
        message = await refused(house, "Milo")
        assert first in message
        assert second in message
        assert await models(house) == [first, second, "Bo"]
        assert (await find(house, second)).id == second


async def test_by_name_alone() -> None:
    """Without ids, an id is refused, but for agents that have no name of their own."""
    async with housed("Milo", "Bo", "Bo", by=["name"]) as (letta, house):
        milo, bo, _ = letta.agents
        assert (await find(house, "Milo")).id == milo
        await refused(house, milo)
        assert (await find(house, bo)).id == bo


async def test_by_id_alone() -> None:
    """Without names, every model is an id, and no name is said to be shared."""
    async with housed("Milo", "Bo", "Bo", by=["id"]) as (letta, house):
        assert await models(house) == list(letta.agents)
        assert "Several" not in await refused(house, "Bo")


def test_name_like_an_id() -> None:
    """An agent that is named like another's id does not get its messages."""
    victim, liar = Agent("agent-1", "Milo"), Agent("agent-2", "agent-1")
    twin = Agent("agent-3", "Milo")
    for by in (["id", "name"], ["name"], ["id"]):
        catalogue = Catalogue.of([victim, liar, twin], Config(by=by))
        assert catalogue.find("agent-1") == victim
        assert list(catalogue.models.values()) == [victim, liar, twin]


async def test_prefix() -> None:
    """With a prefix, names and ids carry it, and are refused without."""
    async with housed("Milo", "Bo", "Bo", prefix="letta/") as (letta, house):
        milo, first, second = letta.agents
        assert await models(house) == ["letta/Milo", f"letta/{first}", f"letta/{second}"]
        assert (await find(house, "letta/Milo")).id == milo
        assert (await find(house, f"letta/{milo}")).id == milo
        assert "letta/Milo" in await refused(house, "Milo")
        assert f"letta/{first}" in await refused(house, "letta/Bo")
        await refused(house, milo)


async def test_made_just_now() -> None:
    """An agent that was made after the list was read is found by its id, and listed later."""
    async with housed("Milo", prefix="p/") as (letta, house):
        await models(house)
        await refused(house, "p/nobody")
        made = letta.add_agent("New")
        assert (await find(house, f"p/{made.id}")).name == "New"
        await refused(house, made.id)


@pytest.mark.parametrize(
    "settings",
    [{"by": ["name"]}, {"tags": ["other"]}, {"prefix": "p/"}],
)
async def test_made_just_now_but_not_served(settings: dict[str, list[str]]) -> None:
    """What is not served is not found in this way, either."""
    async with housed("Milo", **settings) as (letta, house):
        await models(house)
        shown, hidden = letta.add_agent("New", tags=("x",)), letta.add_agent("H", hidden=True)
        for agent in (shown, hidden):
            await refused(house, agent.id)


async def test_tags() -> None:
    """With tags, only agents that have one of them exist."""
    async with housed("Milo", tags=["public", "beta"]) as (letta, house):
        letta.add_agent("Bo", tags=("public", "x"))
        letta.add_agent("Cy", tags=("beta",))
        assert await models(house) == ["Bo", "Cy"]
        await refused(house, "Milo")


@pytest.mark.parametrize("sleeping", ["sleeptime_agent", "voice_sleeptime_agent"])
async def test_hidden_and_sleeptime_agents_are_left_out(sleeping: str) -> None:
    """Agents that are hidden, or tend others' memory, are not served."""
    async with housed("Milo") as (letta, house):
        letta.add_agent("Ghost", hidden=True)
        sleeper = letta.add_agent("Milo-sleeptime", type=sleeping)
        assert await models(house) == ["Milo"]
        await refused(house, "Ghost")
        await refused(house, sleeper.id)


async def test_sleeptime_agents_if_wanted() -> None:
    """An operator can serve sleeptime agents."""
    async with housed("Milo", include_sleeptime=True) as (letta, house):
        letta.add_agent("Dream", type="sleeptime_agent")
        assert await models(house) == ["Milo", "Dream"]


async def test_hidden_agents_if_wanted() -> None:
    """An operator can serve hidden agents."""
    async with housed("Milo", include_hidden=True) as (letta, house):
        letta.add_agent("Ghost", hidden=True)
        assert await models(house) == ["Milo", "Ghost"]


async def test_every_page() -> None:
    """All of 250 agents are served, oldest first."""
    names = [f"Agent {i}" for i in range(250)]
    async with housed(*names) as (_, house):
        assert await models(house) == names
        assert (await find(house, "Agent 0")).name == "Agent 0"
        assert (await find(house, "Agent 249")).name == "Agent 249"
        assert listings(house) == 1


async def test_found_models_of_others_stay() -> None:
    """What plugins above list is kept."""
    async with housed("Milo") as (_, house):
        plugin = house.pipeline.steps[0].plugin
        context = Context("test", house.clock)
        first = await plugin.models(context, ())
        assert [model.id for model in await plugin.models(context, first)] == ["Milo", "Milo"]


@pytest.mark.parametrize(
    ("type", "setting", "streaming"),
    [
        ("letta_v1_agent", "steps", "tokens"),
        ("memgpt_v2_agent", "steps", "steps"),
        ("memgpt_agent", "tokens", "tokens"),
    ],
)
async def test_streaming(type: str, setting: str, streaming: str) -> None:
    """Older types stream by steps unless the operator wants tokens; the others by tokens."""
    async with housed(older_agents=setting) as (letta, house):
        letta.add_agent("Milo", type=type)
        turn = house.pipeline.steps[0].plugin.begin(Context("test", house.clock))
        assert (await turn.prepare(Call("Milo", ()))).streaming == streaming
