"""Tests whose needs are not met are skipped, but never in CI."""

from __future__ import annotations

import pytest

from tests.conftest import _needs_command
from tests.missing import missing


def test_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine the test is skipped and the package named."""
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=r"no-such-command.*the package nothing"):
        _needs_command("no-such-command", package="nothing")


def test_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CI is set the test fails instead."""
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="missing: a thing"):
        missing("a thing")


@pytest.mark.needs_command("sh", package="dash")
def test_runs() -> None:
    """A test whose command is there runs."""
