from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.conversations.branches import MOST_BRANCHES, NO_REPLY, Branches
from plugins.conversations.chat_record import Attempt, ChatRecord
from plugins.conversations.message_ids import MessageIds


IDS = st.text(max_size=5)
ATTEMPTS = st.builds(
    Attempt, st.integers(0, 99), st.uuids().map(str), IDS, IDS, st.floats(0, 9e9), st.booleans()
)
RECORDS = st.builds(
    ChatRecord,
    conversation=st.text(),
    delivered=st.integers(0, 99),
    system=st.text(),
    attempts=st.lists(ATTEMPTS).map(tuple),
    tip=IDS,
    past=st.lists(IDS).map(tuple),
    lost=st.lists(IDS).map(tuple),
)

FIRST = ChatRecord("a", 2, tip="r2", past=("r1",))
SECOND = ChatRecord("b", 2, tip="r2b", past=("r1",), lost=("r3b",))


@given(st.lists(RECORDS).map(tuple))
def test_stored_and_read_back(records: tuple[ChatRecord, ...]) -> None:
    """Branches come out of the store as they went in."""
    assert Branches.load(Branches(records).dump()) == Branches(records)


@pytest.mark.parametrize("stored", ["", "[1]", '[{"conversation": "c"}]', '{"a": 1}'])
def test_damaged(stored: str) -> None:
    """What cannot be read raises what says so."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        Branches.load(stored.encode())


@pytest.mark.parametrize(
    ("parent", "conversation"),
    [("r2", "a"), ("r2b", "b"), ("r3b", "b"), ("r1", None), ("", None), ("unheard", None)],
)
def test_to_go_on(parent: str, conversation: str | None) -> None:
    """The branch that ends with the reply that is answered."""
    found = Branches((FIRST, SECOND)).to_go_on(MessageIds(parent, "new"))
    assert (found and found.conversation) == conversation


def test_to_go_on_without_ids() -> None:
    """The one used last; so too where ids are new to it, and where nothing has been kept."""
    assert Branches((FIRST, SECOND)).to_go_on(None) == FIRST
    for latest in (ChatRecord("c", 3), ChatRecord("c", 0, tip="x")):
        assert Branches((latest, FIRST)).to_go_on(MessageIds("unheard", "new")) == latest
    assert Branches().to_go_on(MessageIds("r1", "new")) is None


def test_answering() -> None:
    """Results go to the branch in which their reply is made, else to the one used last."""
    branches = Branches((FIRST, SECOND))
    assert branches.answering(MessageIds("r1", "r2b")) == SECOND
    assert branches.answering(MessageIds("r1", "unheard")) == FIRST
    assert branches.answering(None) == FIRST
    assert Branches().answering(None) is None


def test_used() -> None:
    """It comes first; one that ended with the same reply is replaced; the last ones stay."""
    branches = Branches((FIRST, SECOND)).used(SECOND)
    assert branches.records == (SECOND, FIRST)
    assert branches.used(ChatRecord("c", 2, tip="r2")).records == (
        ChatRecord("c", 2, tip="r2"),
        SECOND,
    )
    for i in range(30):
        branches = branches.used(ChatRecord(f"{i}", 1, tip=f"{i}"))
    assert len(branches.records) == MOST_BRANCHES
    assert branches.without(branches.records[0]).records == branches.records[1:]


def test_begun_with() -> None:
    """After a wish for another reply nobody goes on in the branch that was made for it."""
    branches, ids = Branches((FIRST,)), MessageIds("r1", "r2c")
    assert branches.begun_with(2, ids) == ids
    assert branches.begun_with(3, ids) == MessageIds("r1", NO_REPLY)
    assert branches.begun_with(3, None) is None


def test_in_a_chain_each_response_is_a_reply_of_its_own() -> None:
    """So results go to the branch whose end made the calls, and nothing is a wish."""
    branches = Branches((FIRST, SECOND))
    assert branches.answering(MessageIds("r2b", "new", 3)) == SECOND
    assert branches.answering(MessageIds("unheard", "new", 3)) == FIRST
    ids = MessageIds("r1", "r2c", 2)
    assert branches.begun_with(3, ids) == ids
