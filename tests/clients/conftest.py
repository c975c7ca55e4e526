"""The worlds that clients are tried in: the demo, and a real Letta."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.worlds import AGENT, World, demo_world, real_world
from tests.letta_server.server import LettaServer


SEVERAL = {"provider_type": "openai", "parallel_tool_calls": True}


@pytest.fixture(name="scripted", scope="session")
def _scripted(letta_server: LettaServer) -> str:
    """The id of an agent of the real Letta that does as it is told."""
    return letta_server.make_agent(AGENT, model_settings=SEVERAL).id


@pytest.fixture(name="world", params=["demo", pytest.param("letta", marks=pytest.mark.letta)])
async def _world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "demo":
        made = demo_world(tmp_path)
    else:
        letta: LettaServer = request.getfixturevalue("letta_server")
        made = real_world(letta, request.getfixturevalue("scripted"), tmp_path)
    async with made as world:
        yield world
