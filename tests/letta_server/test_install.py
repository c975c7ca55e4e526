"""The installation is found again, and not taken for whole when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.letta_server.install import CONSTRAINTS, Installation, installation


def test_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the user's cache, or where the environment says."""
    monkeypatch.delenv("LETTA_GATEWAY_TEST_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert tmp_path / "xdg" / "letta-gateway" == installation().root.parent

    monkeypatch.setenv("LETTA_GATEWAY_TEST_CACHE", str(tmp_path / "own"))
    assert tmp_path / "own" == installation().root.parent


def test_interrupted(tmp_path: Path) -> None:
    """An installation that was interrupted, or whose Python is gone, is not usable."""
    found = Installation(tmp_path)
    found.python.parent.mkdir(parents=True)
    found.python.touch()
    assert not found.usable()

    found.done.touch()
    assert found.usable()

    found.python.unlink()
    assert not found.usable()


def test_everything_is_pinned() -> None:
    """Each line of the constraints names one exact version, so that an installation lasts."""
    pins = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]

    assert pins
    assert [pin for pin in pins if pin.count("==") != 1] == []
