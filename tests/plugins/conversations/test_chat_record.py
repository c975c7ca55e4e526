from __future__ import annotations

import pytest

from plugins.conversations.chat_record import (
    MOST_ATTEMPTS,
    MOST_REPLIES,
    Attempt,
    ChatRecord,
)
from plugins.conversations.message_ids import MessageIds


def test_kept() -> None:
    """A turn that was kept is delivered, and those tried before it are forgotten."""
    first, second, third = Attempt(1, "a"), Attempt(2, "b", "sys"), Attempt(3, "c")
    record = ChatRecord("conv").trying(first).trying(second).trying(third)
    assert record.kept(second) == ChatRecord("conv", 2, "sys", (third,))
    assert record.kept(third) == ChatRecord("conv", 3)


def test_ordinal_never_falls() -> None:
    """A turn that was delivered stays so, whichever turn is kept after it."""
    assert ChatRecord("conv", 3).trying(Attempt(1, "a")).kept(Attempt(1, "a")).delivered == 3


def test_attempts_are_bounded() -> None:
    """A chat that fails for ever remembers its last attempts only."""
    record = ChatRecord("conv")
    for i in range(20):
        record = record.trying(Attempt(i, str(i)))
    assert [attempt.turn for attempt in record.attempts] == list(range(20 - MOST_ATTEMPTS, 20))


def test_replies() -> None:
    """What Letta has kept becomes the tip; what it has lost can be answered, too."""
    record = ChatRecord("conv", 1, tip="r1")
    for turn, parent in ((2, "r1"), (3, "r2")):
        tried = Attempt(turn, f"{turn}", reply=f"r{turn}")
        record = record.trying(tried, MessageIds(parent, tried.reply))
        assert record.ends[-1] == tried.reply
        record = record.without_last()
    assert (record.tip, record.lost) == ("r1", ("r2", "r3"))
    last = Attempt(3, "again", reply="r4")
    kept = record.trying(last, MessageIds("r2", "r4")).kept(last)
    assert (kept.past, kept.tip, kept.lost) == (("r1", "r2"), "r4", ())


def test_replies_are_bounded() -> None:
    """The last ones are remembered."""
    record = ChatRecord("conv")
    for turn in range(99):
        tried = Attempt(turn, "", reply=f"r{turn}")
        record = record.trying(tried, MessageIds(record.tip, tried.reply)).kept(tried)
    assert record.past == tuple(f"r{turn}" for turn in range(98 - MOST_REPLIES, 98))
    for turn in range(99, 199):
        record = record.trying(Attempt(turn, "", reply=f"r{turn}")).untaken()
    assert len(record.lost) <= MOST_REPLIES


@pytest.mark.parametrize(
    ("turn", "parent", "first"),
    [
        (5, "r4", 5),  # the next
        (3, "r4", 3),  # of a history that was cut
        (6, "r5", 5),  # whose last reply was lost
        (7, "r6", 5),
        (4, "r3", None),  # another reply
        (5, "r3", None),
        (1, "", None),
        (5, "unknown", 5),  # by counting
        (4, "unknown", None),
        (5, None, 5),
        (4, None, None),
    ],
)
def test_first_new(turn: int, parent: str | None, first: int | None) -> None:
    """The ids say what is new, and where there are none the number of the user's turns."""
    record = ChatRecord("conv", 4, tip="r4", past=("r2", "r3"), lost=("r5", "r6"))
    ids = None if parent is None else MessageIds(parent, "new")
    assert record.first_new(turn, ids) == first


def test_wished_otherwise() -> None:
    """A wish for another reply has that reply's parent, and one more turn."""
    record = ChatRecord("conv", 2, tip="r2", past=("r1",))
    assert record.wished_otherwise(3, MessageIds("r1", "r2b"))
    assert not record.wished_otherwise(2, MessageIds("r1", "r2b"))
    assert not record.wished_otherwise(3, MessageIds("r2", "r3"))
    assert not ChatRecord("conv", 2).wished_otherwise(3, MessageIds("r1", "r2b"))


def test_nothing_goes_on() -> None:
    """It is noted with the last turn tried."""
    first, second = Attempt(1, "a"), Attempt(2, "b")
    record = ChatRecord("conv").trying(first).trying(second).over()
    assert [attempt.over for attempt in record.attempts] == [False, True]


@pytest.mark.parametrize(
    ("parent", "first"),
    [
        ("r4", 6),  # as the client says: its history may be shorter than what was delivered
        ("r5", 5),  # whose last reply was lost
        ("r3", None),  # another branch
    ],
)
def test_first_new_in_a_chain(parent: str, first: int | None) -> None:
    """Several turns may be said at once: the first of them is said to be new."""
    record = ChatRecord("conv", 4, tip="r4", past=("r2", "r3"), lost=("r5", "r6"))
    assert record.first_new(7, MessageIds(parent, "new", 6)) == first


def test_replied() -> None:
    """A reply for which nothing was said is the end, and the one before is in the past."""
    record = ChatRecord("conv", 4, tip="r4", past=("r3",), lost=("r5",))
    assert record.replied("r6") == ChatRecord("conv", 4, tip="r6", past=("r3", "r4"))
