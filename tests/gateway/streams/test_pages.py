"""A stream in pieces."""

from __future__ import annotations

import asyncio

import pytest

from gateway.events import Error, Finish
from gateway.streams.pages import Page, Pages, joined
from tests.gateway.lane import text


A, B, C, D = (text(word) for word in "abcd")
ERROR = Error(502, "server_error", "upstream_error", "It failed.")


def test_numbers():
    """Those of a page go on from its first; one without events has none of its own."""
    assert Page(4, [A, B]).last == 5
    assert Page(4, ()).last == 3


@pytest.mark.parametrize(
    ("number", "left"),
    [(0, [A, B, C]), (3, [A, B, C]), (4, [B, C]), (5, [C]), (6, []), (99, [])],
)
def test_what_is_behind_a_number(number, left):
    """The page's first event is number 4."""
    assert list(Page(4, [A, B, C]).behind(number)) == left


@pytest.mark.parametrize("ending", [Finish(), ERROR])
def test_the_ending(ending):
    """It is the last event."""
    assert Page(1, [A, ending]).ending == ending
    assert Page(1, [A]).ending is None
    assert Page(1, ()).ending is None


def test_joined():
    """Each event once, also of pages that were written twice."""
    pages = [Page(1, ()), Page(1, [A, B]), Page(3, [C]), Page(1, [A, B]), Page(3, [C, D])]
    assert joined(pages) == (1, [A, B, C, D])
    assert joined([]) == (1, [])


def test_joined_with_a_gap():
    """What stands before a gap is of no use without what is missing."""
    assert joined([Page(3, [C])]) == (3, [C])
    assert joined([Page(1, [A]), Page(3, [C]), Page(4, [D])]) == (3, [C, D])


async def test_readers_get_what_comes():
    """All that is there at once; then each page when it comes."""
    pages = Pages(1000)
    pages.add(Page(1, [A]), 10)
    pages.add(Page(2, [B]), 10)
    taken, got = await pages.more(0, 0)
    assert (taken, list(got)) == (2, [Page(1, [A]), Page(2, [B])])
    waiting = [asyncio.create_task(pages.more(taken, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    pages.add(Page(3, [C]), 10)
    assert [await each for each in waiting] == [(3, [Page(3, [C])])] * 3


async def test_nothing_comes():
    """Then nothing is given, and nothing is lost by it."""
    pages = Pages(1000)
    assert await pages.more(0, 0) == (0, [])
    assert await pages.more(0, 0.001) == (0, [])
    pages.add(Page(1, [A]), 10)
    assert await pages.more(0, 0) == (1, [Page(1, [A])])


async def test_they_are_bounded():
    """The oldest go, the newest stays; who has fallen behind sees by the numbers."""
    pages = Pages(100)
    for number in range(1, 11):
        pages.add(Page(number, [A]), 30)
    taken, got = await pages.more(2, 0)
    assert (taken, [page.first for page in got]) == (10, [8, 9, 10])
    pages.add(Page(11, [B]), 500)
    assert await pages.more(0, 0) == (11, [Page(11, [B])])
