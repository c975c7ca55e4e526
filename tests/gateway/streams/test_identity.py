"""Which requests are one and the same."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Call
from gateway.streams.identity import attempt_of, digest_of, key_of, name_of, talk_of


BODY = {"model": "Milo", "messages": [{"role": "user", "content": "é"}]}


def call(body: Any = None, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call("Milo", (), headers=named, body=BODY if body is None else body)


def digest(body: Any = None, surface: str = "surface", chat: str = "", **headers: str) -> str:
    return digest_of(call(body, **headers), surface, chat)


def test_the_same_however_it_is_sent():
    """Streaming and the order of the fields make no difference; nor do other headers."""
    plain = digest()
    assert digest({**BODY, "stream": True}) == plain
    assert digest({**BODY, "stream": False, "stream_options": {"include_usage": True}}) == plain
    assert digest(dict(reversed(BODY.items()))) == plain
    assert digest(x_stainless_retry_count="1", user_agent="x") == plain


@pytest.mark.parametrize(
    ("body", "chat"),
    [
        ({**BODY, "model": "Ada"}, ""),
        ({**BODY, "messages": []}, ""),
        ({**BODY, "tools": []}, ""),
        (BODY, "c"),
        (BODY, "\udcff"),
    ],
)
def test_what_makes_another(body, chat):
    """Any other field, and another chat."""
    assert digest(body, chat=chat) != digest()


def test_surfaces_are_apart():
    """The same body means another thing elsewhere."""
    assert digest(surface="chat") != digest(surface="responses")


@pytest.mark.parametrize(
    ("sent", "attempt"),
    [("0", 0), ("2", 2), ("", None), ("x", None), ("-1", None), ("²", None), ("9" * 5000, None)],
)
def test_attempt(sent, attempt):
    """A number, or the client is no SDK that counts."""
    assert attempt_of(call(x_stainless_retry_count=sent)) == attempt
    assert attempt_of(call()) is None


@pytest.mark.parametrize("key", ["k", '"8e03978e"', "\udcff", "k" * 9999, "a/../b"])
def test_keys_may_be_any_text(key):
    """They are the caller's own, and never part of a path."""
    assert key_of(call(idempotency_key=key)) == key
    assert name_of("ada", key) != name_of("bob", key)
    assert name_of("ada", key).count("/") == 3
    assert name_of("ada", key) != name_of("ada", key + "x")


def test_no_key():
    """An empty one is none."""
    assert key_of(call()) == ""
    assert key_of(call(idempotency_key="")) == ""


def test_chats_are_their_callers():
    """Of one name, they are as many as callers have it; a name may be anything."""
    names = {talk_of(caller, chat) for caller in ("ada", "bob") for chat in ("c", "d", "\udcff")}
    assert len(names) == 6
