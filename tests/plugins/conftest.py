"""What the tests of plugins share."""

from __future__ import annotations

import pytest

from plugins.conversations import unfinished


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """FakeLetta has every request as soon as it is sent, and ends a cancelled run at once."""
    monkeypatch.setattr(unfinished, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(unfinished, "CANCEL_SECONDS", 0.0)
