"""Programs are started, awaited, and ended by their ids."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.contender import Unavailable
from benchmarks.process import free_port, running


def test_until_the_block_is_left(tmp_path):
    """It answers in the block, and has ended after it."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]

    with running(command, ready=f"http://127.0.0.1:{port}/", folder=tmp_path) as pid:
        os.kill(pid, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ends_at_once(tmp_path):
    """A program that ends instead of answering is unavailable, with its last words."""
    command = [sys.executable, "-c", "import sys; sys.exit('no licence')"]

    with (
        pytest.raises(Unavailable, match="it ended with 1: no licence"),
        running(command, ready=f"http://127.0.0.1:{free_port()}/", folder=tmp_path),
    ):
        pytest.fail("it is not up")


def test_never_answers(tmp_path):
    """A program that does not come up in time is unavailable, and is ended."""
    command = [sys.executable, "-c", "import sys, time; print('thinking'); time.sleep(60)"]

    with (
        pytest.raises(Unavailable, match="it does not answer"),
        running(command, ready=f"http://127.0.0.1:{free_port()}/", folder=tmp_path, seconds=0.2),
    ):
        pytest.fail("it is not up")


def test_environment(tmp_path, monkeypatch):
    """It has the bench's environment, and what is added."""
    monkeypatch.setenv("ONE", "1")
    command = [
        sys.executable,
        "-c",
        "import os, sys; sys.exit(os.environ['ONE'] + os.environ['TWO'])",
    ]

    with (
        pytest.raises(Unavailable, match="12"),
        running(
            command,
            ready=f"http://127.0.0.1:{free_port()}/",
            folder=tmp_path,
            env={"TWO": "2"},
        ),
    ):
        pytest.fail("it is not up")
