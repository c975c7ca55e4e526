"""One page of a list."""

from __future__ import annotations

import attrs
import pytest

from gateway.testing.fakeletta.pages import page
from gateway.testing.fakeletta.replies import Refusal


@attrs.frozen
class Thing:
    """Something with an id."""

    id: str


THINGS = [Thing(letter) for letter in "abcde"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, "edcba"),
        ({"order": "asc"}, "abcde"),
        ({"limit": "2"}, "ed"),
        ({"limit": "0"}, "edcba"),
        ({"after": "d"}, "cba"),
        ({"before": "c"}, "ed"),
        ({"order": "asc", "after": "b", "limit": "2"}, "cd"),
        ({"after": "nobody"}, "edcba"),
    ],
)
def test_pages(query: dict[str, str], ids: str) -> None:
    """Limit, order and cursors choose the page."""
    assert "".join(thing.id for thing in page(THINGS, query, limit=50)) == ids


@pytest.mark.parametrize("query", [{"order": "up"}, {"limit": "few"}])
def test_nonsense(query: dict[str, str]) -> None:
    """A query of the wrong form is refused."""
    with pytest.raises(Refusal):
        page(THINGS, query, limit=50)
