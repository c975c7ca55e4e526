"""The headers of an answer that say what was sent and not used."""

from __future__ import annotations

from typing import Any

import attrs
import loguru

from gateway.call import Call, Reply
from gateway.services import Context
from gateway.surfaces.answer_headers import MOST_FIELDS, headers_of
from gateway.testing.kit import ManualClock
from gateway.web.request import Asking


@attrs.frozen
class Answered:
    """An answer, as far as its headers go."""

    call: Call
    unmet: str = ""


def told(*ignored: str, unmet: str = "", called: Any = str) -> dict[str, str]:
    answer: Any = Answered(Call("Milo", (), reply=Reply(ignored=ignored)), unmet)
    live: Any = None
    asking = Asking(Context("r", ManualClock()), live, {}, loguru.logger)
    return headers_of(answer, asking, called)


def test_nothing_to_say() -> None:
    """There are no empty headers."""
    assert told() == {}


def test_what_was_ignored() -> None:
    """By name, as far as it can be put into a header, and not without end."""
    assert told("user", "a\r\nb", "\u00e9", "top_p") == {"x-letta-gateway-ignored": "user, top_p"}
    many = told(*(f"f{i}" for i in range(100)))["x-letta-gateway-ignored"]
    assert len(many.split(", ")) == MOST_FIELDS


def test_what_was_not_met() -> None:
    """By its name, too."""
    assert told(unmet="tool_choice") == {"x-letta-gateway-unmet": "tool_choice"}


def test_a_surface_has_names_of_its_own() -> None:
    """Its client knows no others."""
    assert told("a", unmet="b", called=str.upper) == {
        "x-letta-gateway-ignored": "A",
        "x-letta-gateway-unmet": "B",
    }
