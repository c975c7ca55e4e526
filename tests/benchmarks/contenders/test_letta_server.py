"""The endpoint of a real Letta server answers the load."""

from __future__ import annotations

import os

import pytest

from benchmarks.contender import Place, Unavailable
from benchmarks.contenders import letta_server
from benchmarks.contenders.letta_server import LettaServer
from benchmarks.native.load import Job, start
from benchmarks.native.upstream import Shape
from benchmarks.process import free_port
from tests.letta_server.install import CannotInstall


@pytest.mark.letta
def test_serves(programs, upstream_, tmp_path):
    """Streams come whole but for their reasoning; the process that is counted ends."""
    upstream_.answer(Shape(3, 3))
    place = Place(upstream_.letta, upstream_.openai, free_port(), tmp_path, tmp_path)

    with LettaServer().serve(place) as served:
        found = start(programs, served, Job(1, 2, Shape(3, 3))).outcome()
        os.kill(served.pid, 0)

    assert (found.ok, found.silent, found.why) == (2, 2, "")
    with pytest.raises(ProcessLookupError):
        os.kill(served.pid, 0)


def test_cannot_be_had(tmp_path, monkeypatch):
    """Where it cannot be installed it is left out, and the table says why."""

    def ensure(say):
        raise CannotInstall("no network")

    monkeypatch.setattr(letta_server, "ensure", ensure)

    with pytest.raises(Unavailable, match="no network"):
        LettaServer().prepare(tmp_path)


def test_version():
    """The foot of the table names it, and what is not counted."""
    assert "letta 0.16.8" in LettaServer().about
    assert "PostgreSQL is not" in LettaServer().about
