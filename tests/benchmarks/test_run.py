"""A run measures those contenders that can be had, and names the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest

from benchmarks.contender import Place, Served, Unavailable
from benchmarks.contenders.raw import Raw
from benchmarks.run import Plan, run


pytestmark = pytest.mark.needs_command("cc", package="build-essential")


@attrs.frozen
class Another:
    """The passthrough, under a name of its own and at times with something wrong."""

    name: str
    installed: bool = True
    starts: bool = True
    path: str = ""
    about: str = "made up"

    def prepare(self, cache) -> None:
        if not self.installed:
            raise Unavailable("no network")

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        if not self.starts:
            raise Unavailable("it ended with 1")
        with Raw().serve(place) as served:
            yield attrs.evolve(served, url=served.url + self.path)


def test_run(tmp_path):
    """Each is measured in each round; what is missing is told, and stops nothing."""
    said: list[str] = []
    contenders = [
        Another("there"),
        Another("not installed", installed=False),
        Another("broken", starts=False),
        Another("lossy", path="/nowhere"),
    ]

    results = run(contenders, Plan(2, 0, ["whole"], []), tmp_path, said.append)

    assert list(results.contenders) == ["there"]
    assert len(results.values["whole_rate"]["there"]) == 2
    assert results.absent["not installed"] == "no network"
    assert results.absent["broken"] == "it ended with 1"
    assert "text is missing" in results.absent["lossy"]
    assert [line for line in said if "round 2, whole: there" in line]
