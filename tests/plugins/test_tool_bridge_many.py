"""Many clients of one agent at once, and what a request costs."""

from __future__ import annotations

import asyncio

import pytest

from gateway.call import ToolChoice
from tests.plugins.client import Client, said
from tests.plugins.tool_client import ONE, ToolClient, calls, does, returned, tooled


CLIENTS = 100


@pytest.mark.parametrize("keyed", [False, True], ids=["scratch", "keyed"])
async def test_a_hundred_clients_of_one_agent(keyed: bool) -> None:
    """Each has tools of its own, calls go to their owners, and results to who asked for them."""
    async with tooled() as house:

        async def one(number: int) -> None:
            name = f"tool_{number}"
            client = ToolClient(
                house,
                "Milo",
                f"chat-{number}" if keyed else "",
                f"caller-{number}",
                tools={name: lambda **_: f"result {number}"},
            )
            # All models count their calls alike.
            await client.say(does(calls(f"{name}:call_1"), calls(f"{name}:call_1"), {"text": "!"}))
            for _ in range(2):
                assert [made.name for made in client.asked] == [name]
                events = await client.answer()
            assert said(events) == "!"

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(one(number))
        await house.quiet()

        bodies = house.requests("POST", "/messages")
        assert all(len(body["client_tools"]) == 1 for body in bodies)
        assert house.letta.agents[next(iter(house.letta.agents))].tools.keys() == {"lookup"}
        if not keyed:
            assert house.conversations() == []
            return
        told = [[text for _, text, _ in returned(house, each)] for each in house.conversations()]
        assert sorted(told) == sorted([[f"result {i}"] * 2 for i in range(CLIENTS)])


async def test_what_it_costs_at_the_store() -> None:
    """Nothing where there is neither a chat nor a call; a few operations where there is."""
    async with tooled() as house:

        def cost() -> list[str]:
            done, house.store.done = house.store.done, []
            return done

        await Client(house, "Milo").say("plain")
        await house.quiet()
        assert cost() == []

        client = ToolClient(house, "Milo")
        await client.say("with tools, and the agent calls none")
        await house.quiet()
        assert cost() == []

        await client.say(ONE)
        assert sorted(cost()) == ["put", "put"]
        await client.answer()
        assert sorted(cost()) == sorted([*["read"] * 3, "lease", "put", *["take"] * 2])

        client = ToolClient(house, "Milo", "chat-1")
        await client.say("plain")
        cost()
        await client.say("again")
        assert sorted(cost()) == sorted([*["read"] * 3, "lease", "put", "put"])
        await client.say(ONE)
        assert len(cost()) == 7
        await client.answer()
        assert sorted(cost()) == sorted([*["read"] * 3, "lease", "put", "take"])


async def test_what_it_costs_at_letta() -> None:
    """The agent's own tools are looked at if the client has some, and nothing else."""
    async with tooled() as house:

        def asked() -> list[str]:
            paths = [(r.method, r.path.rpartition("/")[2]) for r in house.letta.requests]
            house.letta.requests.clear()
            return [f"{method} {path}" for method, path in paths if method != "DELETE"]

        await Client(house, "Milo").say("plain")
        await house.quiet()
        asked()
        await Client(house, "Milo").say("plain")
        await house.quiet()
        assert asked() == ["POST ", "POST messages"]
        client = ToolClient(house, "Milo", choice=ToolChoice("none"))
        await client.say("no tools, please")
        await house.quiet()
        assert asked() == ["POST ", "POST messages"]
        client = ToolClient(house, "Milo")
        await client.say(ONE)
        assert asked() == ["POST ", "GET tools", "POST messages"]
        await client.answer()
        await house.quiet()
        assert asked() == ["GET messages", "GET tools", "POST messages"]
