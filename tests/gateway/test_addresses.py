from __future__ import annotations

import pytest

from gateway.addresses import is_loopback, shown


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host):
    """Only this machine reaches these."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", ""])
def test_elsewhere(host):
    """Others may reach these, or they are no address."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://letta.example:8283/base", "http://letta.example:8283/base"),
        ("https://user:s3cret@letta.example", "https://letta.example"),
        ("redis://:s3@cret@[::1]:6379/0?password=s3cret", "redis://[::1]:6379/0"),
        ("unix://user:s3cret@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_shown(url, expected):
    """What is secret in an address is not shown."""
    assert shown(url) == expected
