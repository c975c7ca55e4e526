from __future__ import annotations

import pytest

from plugins.calls.ids import is_ours, marked


@pytest.mark.parametrize("call_id", ["call_one", "", "a-lg0123456789ab", "two\nlines", "é" * 100])
def test_ids_that_are_given_out(call_id: str) -> None:
    """They begin as Letta's do, are known to be ours, and are new each time."""
    shown = marked(call_id or "x")
    assert shown.startswith(call_id)
    assert is_ours(shown)
    assert shown != marked(call_id or "x")


@pytest.mark.parametrize(
    "call_id",
    ["", "call_one", "-lg0123456789ab", "x-lg0123456789a", "x-lg0123456789AB", "x-lg0123456789abc"],
)
def test_ids_of_others(call_id: str) -> None:
    """Whatever has not our mark is another's."""
    assert not is_ours(call_id)
