from __future__ import annotations

from typing import Any

import pytest

from gateway.thread import NO_THREAD, Thread


@pytest.mark.parametrize("given", [{}, {"chat": "c", "only_new": True}, {"reply": "r", "first": 1}])
def test_threads(given: dict[str, Any]) -> None:
    """A chat that is named, a chain of replies, or neither."""
    assert (Thread(**given) == NO_THREAD) is (not given)


@pytest.mark.parametrize("given", [{"reply": "r"}, {"first": 1}, {"reply": "r", "first": -1}])
def test_no_threads(given: dict[str, Any]) -> None:
    """Without its first turn nobody could tell what of a chain is new."""
    with pytest.raises(ValueError, match="first user turn"):
        Thread(**given)
