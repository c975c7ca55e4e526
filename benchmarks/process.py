"""Programs that the bench starts, waits for, and ends by their ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.contender import Unavailable


START_SECONDS = 90.0
END_SECONDS = 15.0
POLL_SECONDS = 0.01


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    ready: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
    seconds: float = START_SECONDS,
) -> Iterator[int]:
    """
    A program that answers GET `ready` with 200, until the block is left.

    Args:
        folder: It starts in this directory; what it prints is kept there.
        env: Its environment besides the bench's own.

    Raises:
        Unavailable: It does not come up.
    """
    said = folder / "output.txt"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        _await(process, ready, seconds, said)
        yield process.pid
    finally:
        _end(process)


def _await(process: subprocess.Popen[bytes], url: str, seconds: float, said: Path) -> None:
    until = time.monotonic() + seconds
    while not _answers(url):
        ended = process.poll() is not None
        if ended or time.monotonic() > until:
            what = f"ended with {process.returncode}" if ended else "does not answer"
            lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise Unavailable(f"it {what}: {' / '.join(lines[-3:])[-300:]}")
        time.sleep(POLL_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started: they are a session of their own."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
