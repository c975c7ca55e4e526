"""Every row of the table is measured by a scene."""

from __future__ import annotations

from benchmarks.figures import FIGURES
from benchmarks.run import ONCE, ROUNDS


def test_scenes():
    """A figure names the scene that it comes from."""
    assert {figure.scene for figure in FIGURES} == {*ROUNDS, *ONCE, "fresh"}


def test_keys():
    """No figure stands in the table twice."""
    assert len({figure.key for figure in FIGURES}) == len(FIGURES)
