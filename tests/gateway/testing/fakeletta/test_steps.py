"""What the model says, cut into chunks."""

from __future__ import annotations

from gateway.testing.fakeletta.steps import CallPart, Reason, Say, Step, ToolUse, chunks, from_json


def test_order() -> None:
    """Thoughts come first, then text, then calls: a head and fragments of arguments."""
    step = Step("hey", "hm", n=2, tools=(ToolUse("look", "{}", "c", frag=1),))
    assert chunks(step) == [
        Reason("hm"),
        Say("he"),
        Say("y"),
        (CallPart(0, "c", "look"),),
        (CallPart(0, args="{"),),
        (CallPart(0, args="}"),),
    ]


def test_own_cuts() -> None:
    """A tuple of texts is cut where the script says."""
    assert chunks(Step(("a\\", "nb"))) == [Say("a\\"), Say("nb")]


def test_interleaved() -> None:
    """Interleaved calls take turns, as long as they last."""
    uses = (ToolUse("x", "12", "a", frag=1), ToolUse("y", "3", "b", frag=1))
    rows = chunks(Step(tools=uses, interleave=True))
    assert [[part.index for part in row] for row in rows] == [[0, 1], [0, 1], [0]]  # type: ignore[union-attr]


def test_new_ids() -> None:
    """A call without an id gets one; an empty id stays empty."""
    made, empty = chunks(Step(tools=(ToolUse("x", ""), ToolUse("y", "", ""))))
    assert made[0].id.startswith("call_")  # type: ignore[index]
    assert empty[0].id == ""  # type: ignore[index]


def test_raw_tool() -> None:
    """A raw call is fragmented exactly as written."""
    step = from_json({"rawtool": ["send_message", ['{"a', '":1}']]})
    assert [row[0].args for row in chunks(step)] == ["", '{"a', '":1}']  # type: ignore[index]


def test_no_usage() -> None:
    """A null usage is no usage; by default chunks are counted."""
    assert from_json({"usage": None}).usage is None
    assert from_json({}).usage == "counted"
