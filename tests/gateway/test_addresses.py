from __future__ import annotations

import pytest

from gateway.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host):
    """Only this machine reaches these."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", ""])
def test_elsewhere(host):
    """Others may reach these, or they are no address."""
    assert not is_loopback(host)
