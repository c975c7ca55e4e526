"""Programs are waited for, and ended."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.letta_server.process import CannotStart, Program, finished, free_ports, running


async def never() -> bool:
    return False


async def test_a_program_that_ends_too_early(tmp_path: Path) -> None:
    """A program that ends before it answers is an error, which shows the end of its log."""
    command = (sys.executable, "-c", "print('no such disk'); raise SystemExit(3)")

    with pytest.raises(CannotStart, match=r"(?s)bad ended with status 3.*no such disk"):
        async with running(Program("bad", command, tmp_path, never)):
            pass


async def test_environment_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program sees nothing of the caller's environment but the path, and no home of his."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")

    env = Program("any", (), tmp_path, never, env={"MINE": "1"}).environment()

    assert {"PATH", "LANG", "HOME", "TMPDIR", "MINE"} == set(env)
    assert str(tmp_path) == env["HOME"]


async def test_finished() -> None:
    """A short command gives its status and what it said."""
    assert await finished(sys.executable, "-c", "print('oh'); exit(2)") == (2, "oh\n")


def test_free_ports() -> None:
    """Ports that are asked for together differ."""
    assert len(set(free_ports(5))) == 5
