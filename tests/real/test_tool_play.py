"""Random clients with tools over a real Letta: see `tests/plugins/play_rules.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import attrs
import pytest
from letta_client import AsyncLetta

from tests.letta_server.fixtures import needs_letta
from tests.letta_server.launch import launched
from tests.letta_server.server import LettaServer
from tests.plugins.play_rules import Play, play
from tests.real.cutting import Cutting, cutting


SEVERAL = {"provider_type": "openai", "parallel_tool_calls": True}


@attrs.define
class Real:
    """A place for plays: a Letta server, with a proxy before it that can cut answers."""

    letta: AsyncLetta
    proxy: Cutting

    @property
    def url(self) -> str:
        return self.proxy.url

    async def rest(self, agents: Collection[str]) -> None:
        async with asyncio.timeout(90):
            while await self._busy(agents):  # noqa: ASYNC110  Letta tells when it is asked
                await asyncio.sleep(0.05)

    async def _busy(self, agents: Collection[str]) -> bool:
        page = await self.letta.runs.list(active=True, limit=100)
        return any(run.agent_id in agents for run in page.items)

    def cut(self, after: int, *, later: bool) -> Callable[[], None]:
        self.proxy.cuts[:] = [*([None] if later else ()), after]
        return self.proxy.cuts.clear


def play_over(server: LettaServer) -> type[Play]:
    """One server for all stories, with agents of their own."""

    class PlayOverLetta(Play):
        @staticmethod
        async def open_place() -> tuple[Callable[[], Awaitable[None]], Real, Sequence[str]]:
            made = len(server.made)
            agents = [
                server.make_agent("several", model_settings=SEVERAL),
                server.make_agent("one"),
                server.make_agent("older", type="memgpt_v2_agent"),
            ]
            stack = AsyncExitStack()
            proxy = await stack.enter_async_context(cutting(server.url))
            letta = await stack.enter_async_context(
                AsyncLetta(base_url=server.url, api_key="none", timeout=60)
            )

            async def close() -> None:
                await stack.aclose()
                server.delete_agents(since=made)

            return close, Real(letta, proxy), [agent.id for agent in agents]

    return PlayOverLetta


def test_play(letta_server: LettaServer) -> None:
    """Every message is told once, every result is told once, and nobody is left waiting."""
    play(play_over(letta_server), 30, 15, shrink=False)


@pytest.mark.letta
def test_play_without_redis(
    pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is where Letta has no lock for conversations."""
    with without_redis(pytestconfig, tmp_path, monkeypatch) as server:
        play(play_over(server), 15, 15, shrink=False)


@contextmanager
def without_redis(
    pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LettaServer]:
    """A Letta server of its own, which finds no Redis."""
    installation = needs_letta(pytestconfig)
    empty = tmp_path / "bin"
    empty.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(empty))
        with launched(installation) as addresses:
            assert not addresses.has_redis
            server = LettaServer.at(addresses)
            yield server
            server.close()
