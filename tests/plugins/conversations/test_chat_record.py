from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plugins.conversations.chat_record import MOST_ATTEMPTS, Attempt, ChatRecord


ATTEMPTS = st.builds(Attempt, st.integers(0, 99), st.uuids().map(str), st.text(max_size=5))
RECORDS = st.builds(
    ChatRecord,
    conversation=st.text(),
    delivered=st.integers(0, 99),
    system=st.text(),
    attempts=st.lists(ATTEMPTS, unique=True).map(tuple),
)


@given(RECORDS)
def test_stored_and_read_back(record: ChatRecord) -> None:
    """A record comes out of the store as it went in."""
    assert ChatRecord.load(record.dump()) == record


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
