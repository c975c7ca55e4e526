"""pytest fixtures for tests that need a real Letta server. `tests/conftest.py` loads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click
import pytest
from letta_client.types import AgentState

from tests.letta_server.install import CannotInstall, Installation, ensure
from tests.letta_server.launch import launched
from tests.letta_server.process import CannotStart
from tests.letta_server.server import LettaServer
from tests.letta_server.stack import Addresses
from tests.letta_server.standing import standing
from tests.missing import missing


MakeAgent = Callable[..., AgentState]

INSTALLED = pytest.StashKey[Installation | CannotInstall]()


def needs_letta(config: pytest.Config) -> Installation:
    """The installation, made at the first call. Where that cannot be, the test is skipped."""
    if INSTALLED not in config.stash:
        try:
            config.stash[INSTALLED] = ensure(lambda line: _say(config, line))
        except CannotInstall as problem:
            config.stash[INSTALLED] = problem
    found = config.stash[INSTALLED]
    if isinstance(found, CannotInstall):
        missing(f"Letta 0.16.8, because {found}")
    return found


@pytest.fixture(scope="session", name="letta_server")
def _letta_server(pytestconfig: pytest.Config) -> Iterator[LettaServer]:
    """A real Letta server: started for this run, unless one was started by hand."""
    with ExitStack() as stack:
        try:
            addresses = stack.enter_context(_addresses(pytestconfig))
        except CannotStart as problem:
            said = f"Letta does not start: {problem}"
            raise pytest.fail.Exception(said, pytrace=False) from None
        server = LettaServer.at(addresses)
        yield server
        server.close()


@pytest.fixture(name="make_agent")
def _make_agent(letta_server: LettaServer) -> Iterator[MakeAgent]:
    """`letta_server.make_agent`, for agents that are deleted at the end of the test."""
    before = len(letta_server.made)
    yield letta_server.make_agent
    letta_server.delete_agents(since=before)


@contextmanager
def _addresses(config: pytest.Config) -> Iterator[Addresses]:
    installation = needs_letta(config)
    by_hand = None if os.environ.get("CI") else standing(installation)
    if by_hand:
        _say(config, f"using the server at {by_hand.addresses.url}, which was started by hand")
        yield by_hand.addresses
        return
    _say(config, "starting a Letta server (15 seconds)")
    with launched(installation) as up:
        _say(config, f"Letta is up at {up.url}, {'with' if up.has_redis else 'without'} Redis")
        yield up


def _say(config: pytest.Config, line: str) -> None:
    """Show a line at once, although pytest keeps what tests write."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        click.echo(f"\n[letta] {line}")
