from __future__ import annotations

from gateway.events import Finish, TextDelta
from gateway.replay.recording import Block
from gateway.replay.rows import Probe, Rows
from gateway.testing.kit import context, run


TEXT, OTHER = TextDelta("a", "m"), TextDelta("b", "m")


async def test_a_probe_lets_everything_through():
    """It changes nothing, and notes what goes by."""
    rows = Rows(["step"])
    rows.begin(Block(b""))

    assert await run(Probe(rows, 1), [TEXT, Finish()]) == [TEXT, Finish()]

    assert rows.rows[0].stages == [[], [TEXT, Finish()]]


def test_what_changes():
    """A step that lets something else through than it was given has changed it."""
    rows = Rows(["lower", "upper"])
    rows.begin(Block(b""))
    rows.saw(0, TEXT)
    rows.saw(1, TEXT)
    rows.saw(2, OTHER)

    assert rows.changing == [2]
    assert not rows.rows[0].changed(1)


def test_an_answer_without_letta():
    """What happens before anything came from Letta has a row, too."""
    rows = Rows([])
    Probe(rows, 0).begin(context()).feed(TEXT)
    rows.sent(b"x")

    assert [(row.block, row.wire) for row in rows.rows] == [(None, b"x")]


def test_an_end_at_which_nothing_happens():
    """It is not shown."""
    rows = Rows([])
    rows.begin(Block(b""))
    rows.begin(None)
    rows.end()

    assert [row.block for row in rows.rows] == [Block(b"")]
