from __future__ import annotations

import attrs
import pytest

from gateway.events import Finish, ReasoningDelta, TextDelta, Usage
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.sending import Frames
from tests.gateway.surfaces.native.native import frames


EVENTS = [
    ReasoningDelta("Hm.", "m0"),
    TextDelta("a", "m1"),
    TextDelta("b", "m2"),
    Usage(1, 2),
    Finish(),
]


@attrs.frozen
class Read:
    """What `Frames` knows of a stream."""

    before: list
    id: str = "s"

    @property
    def number(self) -> int:
        return len(self.before)


def encoded(seen: int, manner: Manner) -> list:
    reading = Frames.of(Read(EVENTS[:seen]), manner)
    return frames(reading.head() + reading.encode(EVENTS[seen:]))


@pytest.mark.parametrize("manner", [Manner(), Manner("c1", full=True), Manner(thinking=False)])
def test_from_every_place(manner):
    """Each event has its number, however many were seen before; none is doubled or lost."""
    whole = encoded(0, manner)
    for seen in range(1, len(EVENTS) + 1):
        rest = [(at, each) for at, each in whole if at and int(at.partition(":")[2]) > seen]
        assert encoded(seen, manner) == rest


def test_cuts_do_not_matter():
    """One write or many: the bytes are the same."""
    one, many = Frames.of(Read([]), Manner()), Frames.of(Read([]), Manner())
    assert one.encode(EVENTS) == b"".join(many.encode([event]) for event in EVENTS)


def test_the_head():
    """In full a stream begins with its chat and its message, which is no event of it."""
    start = {"type": "session_start", "session_id": "c1", "message_id": "s"}
    assert frames(Frames.of(Read([]), Manner("c1", full=True)).head()) == [("", start)]
    alone = Frames.of(Read([]), Manner(full=True)).head()
    assert frames(alone)[0][1]["session_id"] is None
    assert Frames.of(Read([]), Manner("c1")).head() == b""
    assert Frames.of(Read(EVENTS[:1]), Manner("c1", full=True)).head() == b""
