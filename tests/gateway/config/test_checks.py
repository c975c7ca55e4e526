from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.config import checks


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (checks.line, "Ada's key"),
        (checks.credential, "sk-1"),
        (checks.url, "http://[::1]:8283/letta"),
        (checks.redis_url, "rediss://user:p%2Fw@redis.example:6380/1"),
        (checks.redis_url, "unix:///run/redis.sock"),
        (checks.origin, "app://obsidian.md"),
        (checks.outlasts_pings, 20.5),
    ],
)
def test_taken(check: Callable[[object, object, object], None], value: object) -> None:
    """What works is taken as it stands."""
    check(None, None, value)


@pytest.mark.parametrize(
    ("check", "value", "text"),
    [
        (checks.line, "two\nlines", "one line"),
        (checks.credential, "Schlüssel", "plain ASCII"),
        (checks.url, "ftp://letta.example", "whole address"),
        (checks.redis_url, "redis://user:p/w@redis.example", "%2F"),
        (checks.origin, "https://chat.example/", "no path"),
        (checks.outlasts_pings, 20, "more than 20"),
    ],
)
def test_refused(check: Callable[[object, object, object], None], value: object, text: str) -> None:
    """The error says what would do, and does not quote what may be secret."""
    with pytest.raises(ValueError, match=text) as caught:
        check(None, None, value)
    assert str(value) not in str(caught.value) or value == 20
