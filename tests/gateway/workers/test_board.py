"""The board: what the workers of a gateway know of each other."""

from __future__ import annotations

import pytest

from gateway.workers.board import AWAY, HEAD, LEAF, Board


def test_what_was_told_last() -> None:
    """Each worker has a place of its own; who has told nothing stands there empty."""
    board = Board(3)
    for i in range(5):
        board.tell(1, b"one %d" % i)
    board.tell(3, b"three")
    assert board.told() == {1: b"one 4", 2: b"", 3: b"three"}


@pytest.mark.parametrize("words", [b"half of a ne", b"w" * 50])
def test_killed_while_it_tells(words: bytes) -> None:
    """What it has told before stays, and is followed by what the next one tells."""
    board = Board(1)
    for told in (b"first words", b"second words"):
        board.tell(1, told)
    leaf = board._leaf(1, 1)
    board._memory[leaf + HEAD.size : leaf + HEAD.size + len(words)] = words
    assert board.told() == {1: b"second words"}
    board.tell(1, b"third words")
    assert board.told() == {1: b"third words"}


def test_too_much() -> None:
    """What does not fit is an error, and changes nothing."""
    board = Board(1)
    board.tell(1, b"words")
    with pytest.raises(ValueError, match="too many"):
        board.tell(1, bytes(LEAF))
    assert board.told() == {1: b"words"}


def test_the_fewest_connections() -> None:
    """Those of the others count, as long as they take any."""
    board = Board(3)
    assert board.fewest(but=1) is None
    board.has(1, 5)
    assert board.fewest(but=1) is None
    board.has(2, 7)
    board.has(3, 6)
    assert board.fewest(but=1) == 6
    board.has(3, AWAY)
    assert board.fewest(but=1) == 7


async def test_the_bell() -> None:
    """A worker that is rung for tells what it has then; who does not heed it is not waited for."""
    board = Board(3)
    board.has(2, 0)
    board.has(3, 0)
    words = [b"new"]
    with board.heeding(2, lambda: board.tell(2, words[0])):
        await board.ring(1)
        assert board.told() == {1: b"", 2: b"new", 3: b""}
        words[0] = b"newer"
        board.has(3, AWAY)
        await board.ring(1)
    assert board.told()[2] == b"newer"
    for _ in range(3):
        await board.ring(2)
