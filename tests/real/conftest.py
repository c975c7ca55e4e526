"""Fixtures of the tests over a real Letta."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.letta_server.server import LettaServer
from tests.real.behind import Behind
from tests.real.client import Client, client_of
from tests.real.gateways import command, in_process, write_config


Serve = Callable[..., Awaitable[Client]]

MODEL = "Official"  # the agent of `production`


@attrs.frozen
class Production:
    """A gateway as it is run in production, and the id of its agent `MODEL`."""

    base_url: str
    agent_id: str


@pytest.fixture(name="serve")
async def _serve(letta_server: LettaServer, tmp_path: Path) -> AsyncIterator[Serve]:
    """Serve with these sections in the configuration file. Make the agents first."""
    async with AsyncExitStack() as stack:

        async def serve(**sections: Any) -> Client:
            file = write_config(tmp_path, letta_server.url, **sections)
            url = await stack.enter_async_context(in_process(file))
            return await stack.enter_async_context(client_of(url))

        yield serve


@pytest.fixture(name="production", scope="session")
def _production(
    letta_server: LettaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    """`letta-gateway serve`, for the SDKs."""
    file = write_config(tmp_path_factory.mktemp("production"), letta_server.url)
    agent = letta_server.make_agent(MODEL)
    with command(file) as gateway:
        yield Production(f"{gateway.url}/v1", agent.id)


@pytest.fixture(name="behind")
def _behind(letta_server: LettaServer) -> Behind:
    """What Letta itself says."""
    return Behind(letta_server.client)
