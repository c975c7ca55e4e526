"""What a request asks for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.testing.fakeletta.asked import check_options, read
from gateway.testing.fakeletta.replies import Refusal


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("body", "streaming", "mode"),
    [
        ({}, False, "whole"),
        ({}, True, "steps"),
        ({"stream_tokens": True}, True, "tokens"),
        ({"streaming": False}, True, "whole"),
        ({"streaming": True, "stream_tokens": True}, False, "tokens"),
    ],
)
def test_mode(body: dict[str, Any], streaming: bool, mode: str) -> None:
    """How the answer comes depends on the path and on the body."""
    assert read({"messages": [USER], **body}, streaming=streaming).mode == mode


def test_input() -> None:
    """A bare input is one message of the user."""
    assert read({"input": "hi"}, streaming=True).messages == (USER,)


def test_settings() -> None:
    """The settings are read, with Letta's defaults."""
    plain = read({"messages": [USER]}, streaming=True)
    assert (plain.pings, plain.background, plain.max_steps, plain.only) == (True, False, 50, None)
    full = read(
        {
            "messages": [{**USER, "otid": "o"}],
            "include_pings": False,
            "client_tools": [{"name": "look"}],
            "max_steps": 2,
            "include_return_message_types": ["assistant_message"],
        },
        streaming=True,
    )
    assert (full.pings, full.client_tools, full.max_steps) == (False, ("look",), 2)
    assert (full.only, full.otids) == (frozenset({"assistant_message"}), ("o",))


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"messages": "hi"},
        {"messages": ["hi"]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": 1}]},
        {"messages": [{"role": "user", "content": ["x"]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    ],
)
def test_refused(body: Any) -> None:
    """What is not of the right form is refused."""
    with pytest.raises(Refusal):
        read(body, streaming=True)


@pytest.mark.parametrize(
    "body", [{"stream_tokens": True}, {"include_pings": False}, {"background": True}]
)
def test_options_of_streaming(body: dict[str, bool]) -> None:
    """Options of streaming are refused without it."""
    with pytest.raises(Refusal):
        check_options(body)
    check_options({**body, "streaming": True})
