"""The gateway is measured as it is installed."""

from __future__ import annotations

from benchmarks.contender import Place
from benchmarks.contenders.ours import Ours
from benchmarks.native.load import Job, start
from benchmarks.native.upstream import Shape
from benchmarks.process import free_port


def test_serves(programs, upstream_, tmp_path, monkeypatch):
    """Two streams come whole through the default pipeline, whatever the environment says."""
    monkeypatch.setenv("LETTA_GATEWAY_KEY", "another-key-than-the-load-has")
    upstream_.answer(Shape(3, 3))
    place = Place(upstream_.letta, upstream_.openai, free_port(), tmp_path, tmp_path)

    with Ours().serve(place) as served:
        found = start(programs, served, Job(2, 2, Shape(3, 3))).outcome()

    assert (found.ok, found.silent, found.why) == (2, 0, "")
