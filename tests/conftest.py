"""What all tests share: the real Letta server, and programs that may be missing."""

from __future__ import annotations

import shutil

import pytest

from tests.letta_server.fixtures import _letta_server, _make_agent, needs_letta
from tests.missing import missing


__all__ = ["_letta_server", "_make_agent"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "needs_command(command, *, package): skip unless the command is there (in CI: fail);"
        " package names what brings it",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses the server is marked `letta`, so that `-m 'not letta'` is to be trusted."""
    for item in items:
        if "letta_server" in getattr(item, "fixturenames", ()):
            item.add_marker("letta")
            # Where much goes on, Letta waits a minute for its own database and answers 500.
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_command"):
        _needs_command(*marker.args, **marker.kwargs)
    if item.get_closest_marker("letta"):
        needs_letta(item.config)  # here, so that all that skip for its sake share one line


def _needs_command(command: str, *, package: str) -> None:
    if shutil.which(command) is None:
        missing(f"{command} (install the package {package})")
