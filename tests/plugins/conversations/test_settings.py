from __future__ import annotations

import pytest

from plugins.conversations.settings import Config


@pytest.mark.parametrize(
    "wrong", [{"wait_seconds": -1}, {"queue": -1}, {"ttl_days": 0}, {"scratch_minutes": -1}]
)
def test_numbers_that_mean_nothing(wrong: dict[str, float]) -> None:
    """Nobody waits for less than no time."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Config(**wrong)  # type: ignore[arg-type]


def test_by_default_nothing_is_kept_of_who_names_no_chat() -> None:
    """A chat goes on for those who name it."""
    assert Config().mode == "stateless"
    assert "X-Letta-Chat-Key" in Config().chat_headers
