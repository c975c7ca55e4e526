from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Tool
from plugins.calls.names import LONGEST, Names


WORDS = st.text("ab_-", min_size=1, max_size=3) | st.sampled_from(
    ["a_client", "a_client2", "x" * 64]
)


def tools(*names: str) -> list[Tool]:
    return [Tool(name) for name in names]


def test_names_that_nobody_else_has() -> None:
    """They stay."""
    names = Names.of(tools("a", "b"), {"c"})
    assert (names.there("a"), names.here("a")) == ("a", "a")
    assert names.renamed == {}


@pytest.mark.parametrize(
    ("mine", "own", "there"),
    [
        (["a"], ["a"], "a_client"),
        (["a"], ["a", "a_client"], "a_client2"),
        (["a", "a_client"], ["a"], "a_client2"),
        (["a"], ["a", "a_client", "a_client2"], "a_client3"),
        (["x" * 64], ["x" * 64], "x" * 57 + "_client"),
    ],
)
def test_a_name_that_the_agent_has(mine: list[str], own: list[str], there: str) -> None:
    """The client's gets another, which is not too long."""
    names = Names.of(tools(*mine), own)
    assert names.there(mine[0]) == there
    assert names.here(there) == mine[0]


@given(st.lists(WORDS, unique=True, max_size=8), st.frozensets(WORDS, max_size=8))
def test_any_names(mine: list[str], own: frozenset[str]) -> None:
    """None is hidden, none is used twice, and every one finds its way back."""
    names = Names.of(tools(*mine), own)
    there = [names.there(name) for name in mine]
    assert not own.intersection(there)
    assert len(set(there)) == len(mine)
    assert all(len(name) <= LONGEST for name in there)
    assert [names.here(name) for name in there] == mine
