"""The bench's own programs, built once, and an upstream of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.native import build
from benchmarks.native.upstream import Upstream, upstream


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and {"programs", "upstream_"} & {*item.fixturenames}:
            item.add_marker(pytest.mark.needs_command("cc", package="build-essential"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the load and the upstream."""
    return build(tmp_path_factory.mktemp("programs"))


@pytest.fixture(name="upstream_")
def _upstream(programs: Path) -> Iterator[Upstream]:
    """A running upstream."""
    with upstream(programs) as running:
        yield running
