from __future__ import annotations

from typing import Any

import attrs
import pytest

from gateway.call import Call
from gateway.thread import Thread
from plugins.conversations.message_ids import MessageIds, is_passing, message_ids


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


PLACE = Thread("chain", parent="", reply="r1", first=1, passing=True)


def chain_of(key: str = "chain", **place: Any) -> MessageIds | None:
    call = Call("Milo", (), thread=attrs.evolve(PLACE, **place))
    return message_ids(call, "Parent", "Reply", key)


def test_a_chain_of_responses() -> None:
    """Its ids stand in the thread, and say what is new behind the parent."""
    first, second = chain_of(), chain_of(parent="r1", reply="r2", first=2)
    assert first is not None
    assert second is not None
    assert (first.parent, first.first) == ("", 1)
    assert (second.parent, second.first) == (first.reply, 2)


def test_a_chain_in_a_chat_of_another_name() -> None:
    """Who begins it there resends the history; who goes on says behind what."""
    assert chain_of(key="named") is None
    assert chain_of(key="named", parent="r1") is not None


def test_headers_come_first() -> None:
    """What a chat UI calls its replies, it calls them in each request."""
    headers = {"parent": "a", "reply": "b"}
    found = message_ids(Call("Milo", (), headers=headers, thread=PLACE), "Parent", "Reply", "chain")
    assert found is not None
    assert found.first == 0


def test_no_chain() -> None:
    """A chat that is only named has no replies with ids of their own."""
    assert chain_of(reply="", first=0, passing=False) is None


@pytest.mark.parametrize(
    "conversation",
    ["chain", {"id": "chain", "parent": "", "reply": "r1", "first": 1, "passing": True}],
)
def test_what_clients_send_is_no_chain(conversation: object) -> None:
    """Only a surface says so: anybody may send anything in a body."""
    call = Call("Milo", (), body={"conversation": conversation})
    assert message_ids(call, "Parent", "Reply", "chain") is None
    assert not is_passing(call, "chain")


def test_is_passing() -> None:
    """Nobody has named it, by a header for instance."""
    call = Call("Milo", (), thread=PLACE)
    assert is_passing(call, "chain")
    assert not is_passing(call, "named")
