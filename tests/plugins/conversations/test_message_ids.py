from __future__ import annotations

import pytest

from gateway.call import Call
from plugins.conversations.message_ids import MessageIds, message_ids


def ids_of(**headers: str) -> MessageIds | None:
    return message_ids(Call("Milo", (), headers=headers), "Parent", "Reply")


def test_both() -> None:
    """The same ids are the same, others are others, and none of them is long."""
    first, second = ids_of(parent="a", reply="b" * 9000), ids_of(parent="b" * 9000, reply="a")
    assert first is not None
    assert second is not None
    assert (first.parent, first.reply) == (second.reply, second.parent)
    assert first.parent != first.reply
    assert len(first.reply) < 20
    assert ids_of(parent="caf\udce9", reply="x")


def test_first_message() -> None:
    """It answers no reply."""
    first = ids_of(parent="", reply="b")
    assert first is not None
    assert first.parent == ""


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"reply": "b"},
        {"parent": "a"},
        {"parent": "a", "reply": ""},
        {"parent": "{{USER_MESSAGE_PARENT_ID}}", "reply": "b"},
        {"parent": "", "reply": "{{MESSAGE_ID}}"},
    ],
)
def test_not_both(headers: dict[str, str]) -> None:
    """Half of them, or templates that nobody filled in, are none."""
    assert ids_of(**headers) is None
