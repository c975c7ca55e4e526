"""A server that was started by hand is found for as long as it lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.letta_server.install import Installation
from tests.letta_server.process import CannotStart
from tests.letta_server.stack import Addresses
from tests.letta_server.standing import announced, standing


ADDRESSES = Addresses("http://127.0.0.1:1", "http://127.0.0.1:2", has_redis=False, log="x.log")


def test_found_while_it_lives(tmp_path: Path) -> None:
    """It is found after it was announced and not when it is gone, whatever the file says."""
    installation = Installation(tmp_path / "letta")
    before = standing(installation)

    with announced(installation) as announce:
        starting = standing(installation)
        announce(ADDRESSES)
        found = standing(installation)

    assert before is None
    assert starting is None
    assert found
    assert found.addresses == ADDRESSES
    assert standing(installation) is None


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second one is refused."""
    installation = Installation(tmp_path / "letta")

    with announced(installation), pytest.raises(CannotStart), announced(installation):
        pass
