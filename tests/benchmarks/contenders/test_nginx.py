"""nginx passes every byte."""

from __future__ import annotations

import pytest

from benchmarks.contender import Place, Unavailable
from benchmarks.contenders.nginx import Nginx
from benchmarks.native.load import Job, start
from benchmarks.native.upstream import Shape
from benchmarks.process import free_port


@pytest.mark.needs_command("nginx", package="nginx-light")
def test_passes(programs, upstream_, tmp_path):
    """Streams come whole and in Letta's own protocol, over connections that are kept."""
    upstream_.answer(Shape(3, 3))
    place = Place(upstream_.letta, upstream_.openai, free_port(), tmp_path, tmp_path)

    with Nginx().serve(place) as served:
        found = start(programs, served, Job(2, 20, Shape(3, 3))).outcome()

    assert (found.ok, found.why, served.wire) == (20, "", "letta")
    assert upstream_.counts().connections < 10


@pytest.mark.needs_command("nginx", package="nginx-light")
def test_says_which(tmp_path):
    """What is measured has a version."""
    Nginx().prepare(tmp_path)

    assert "nginx 1." in Nginx().about


def test_is_not_there(tmp_path, monkeypatch):
    """Where it is not installed and cannot be, one learns the package's name."""
    (tmp_path / "sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "sh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable, match="nginx-light"):
        Nginx().prepare(tmp_path)
