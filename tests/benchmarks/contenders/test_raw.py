"""The raw passthrough passes every byte."""

from __future__ import annotations

from benchmarks.contender import Place
from benchmarks.contenders.raw import Raw
from benchmarks.native.load import Job, start
from benchmarks.native.upstream import Shape
from benchmarks.process import free_port


def test_passes(programs, upstream_, tmp_path):
    """Two streams come whole, and in Letta's own protocol."""
    upstream_.answer(Shape(3, 3))
    place = Place(upstream_.letta, upstream_.openai, free_port(), tmp_path, tmp_path)

    with Raw().serve(place) as served:
        found = start(programs, served, Job(2, 2, Shape(3, 3))).outcome()

    assert (found.ok, found.why, served.wire) == (2, "", "letta")
    assert "aiohttp" in Raw().about
