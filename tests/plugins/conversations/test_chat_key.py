from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Agent, Call
from gateway.errors import Reject
from gateway.thread import Thread
from plugins.conversations.chat_key import chat_key, name_of


HEADERS = ["X-Letta-Chat-Key", "X-Other"]


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        ({}, {}, ""),
        ({"x-letta-chat-key": "a"}, {}, "a"),
        ({"x-other": "b"}, {}, "b"),
        ({"x-letta-chat-key": "a", "x-other": "b"}, {"conversation": "c"}, "a"),
        ({"x-letta-chat-key": ""}, {"conversation": "c"}, "c"),
        ({"x-unheard-of": "a"}, {}, ""),
        ({}, {"conversation": {"id": "c"}}, "c"),
        ({}, {"metadata": {"chat_id": "d"}}, "d"),
        ({}, {"conversation": "c", "metadata": {"chat_id": "d"}}, "c"),
        ({}, {"conversation": 7}, "7"),
        ({}, {"metadata": {"chat_id": 8}}, "8"),
        ({}, {"conversation": None, "metadata": None}, ""),
    ],
)
def test_where_a_chat_is_named(headers: dict[str, str], body: dict[str, Any], key: str) -> None:
    """By the first header that is sent, else in the body, by text or a number."""
    assert chat_key(Call("Milo", (), headers=headers, body=body), HEADERS) == key


@pytest.mark.parametrize(
    ("headers", "key"), [({}, "t"), ({"x-letta-chat-key": "a"}, "a"), ({"x-other": ""}, "t")]
)
def test_a_surface_with_a_field_of_its_own(headers: dict[str, str], key: str) -> None:
    """It goes before the body, whose fields may mean something else there."""
    call = Call("Milo", (), headers=headers, body={"conversation": "c"}, thread=Thread("t"))
    assert chat_key(call, HEADERS) == key


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"conversation": ["c"]}, "conversation"),
        ({"conversation": True}, "conversation"),
        ({"conversation": {"id": 1.5}}, "conversation.id"),
        ({"metadata": {"chat_id": ["d"]}}, "metadata.chat_id"),
    ],
)
def test_what_is_no_name(body: dict[str, Any], param: str) -> None:
    """It is refused: a chat that goes nowhere would go unnoticed."""
    with pytest.raises(Reject) as caught:
        chat_key(Call("Milo", (), body=body), HEADERS)
    assert (caught.value.status, caught.value.code) == (400, "invalid_type")
    assert caught.value.param == param


def test_where_it_is_stored() -> None:
    """Apart for each caller, agent and key, whatever the key is like."""
    agents, keys = (Agent("a", "A"), Agent("b", "B")), ("k", "k" * 9000, "caf\udce9", "a/b")
    names = {name_of(who, agent, key) for who in "xy" for agent in agents for key in keys}
    assert len(names) == 16
    assert max(map(len, names)) < 100
