from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Reject
from gateway.plugin import Services
from gateway.testing.fakeletta import Fault
from plugins.conversations.deletion import delete, unmake
from tests.gateway.lane import logged
from tests.plugins.client import housed
from tests.plugins.house import House


def services_of(house: House) -> Services:
    services: Services = house.pipeline.steps[1].plugin.services
    return services


async def test_delete() -> None:
    """It is gone; one that stays is named in the log."""
    async with housed() as house:
        services, agent = services_of(house), next(iter(house.letta.agents))
        first, second = [
            await services.letta.create_conversation(agent, summary="s") for _ in range(2)
        ]
        await delete(services, first)
        house.letta.fail(Fault(status=400), method="DELETE")
        with logged() as lines:
            await delete(services, second)
        assert house.conversations() == [second]
        assert second in lines[0]


async def test_unmake() -> None:
    """What is made at last is deleted at once."""
    async with housed() as house:
        services, agent = services_of(house), next(iter(house.letta.agents))
        made = asyncio.create_task(services.letta.create_conversation(agent, summary="s"))
        await unmake(services, made)
        assert made.done()
        assert house.conversations() == []


@pytest.mark.parametrize("status", [400, 404])
async def test_nothing_was_made(status: int) -> None:
    """Then there is nothing to delete."""
    async with housed() as house:
        services, agent = services_of(house), next(iter(house.letta.agents))
        house.letta.fail(Fault(status=status), method="POST")
        made = asyncio.create_task(services.letta.create_conversation(agent, summary="s"))
        await unmake(services, made)
        assert isinstance(made.exception(), Reject)
        assert not house.requests("DELETE", "conversations")
