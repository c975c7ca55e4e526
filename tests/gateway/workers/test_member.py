"""A worker as its parent sees it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from gateway.workers.member import Member, how
from gateway.workers.worker import DRAIN, FAILED, SERVES


@pytest.fixture(name="line")
def _line() -> Iterator[tuple[Member, socket.socket]]:
    """A worker, and its end of the line."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Member(1, os.getpid(), ours, 0.0, 0), theirs


def test_it_serves(line: tuple[Member, socket.socket]) -> None:
    """When it has said so."""
    member, worker = line
    assert member.hear()
    assert not member.serves
    worker.send(SERVES)
    assert member.hear()
    assert member.serves
    assert member.last_words() == ""


@pytest.mark.parametrize("before", [b"", SERVES])
def test_last_words(line: tuple[Member, socket.socket], before: bytes) -> None:
    """Why it could not serve, or could not any more, however long that is."""
    member, worker = line
    worker.send(before + FAILED + "Größe ".encode() * 1000)
    worker.close()
    assert not member.hear()
    assert member.last_words() == "Größe " * 1000


def test_telling(line: tuple[Member, socket.socket]) -> None:
    """It is told, if it is still there."""
    member, worker = line
    member.tell(DRAIN)
    assert worker.recv(64) == DRAIN
    worker.close()
    member.tell(DRAIN)
    member.line.close()
    assert member.hear()


def test_its_end(line: tuple[Member, socket.socket]) -> None:
    """It is known when it ends by itself or by a signal, and told once."""
    for number, expected in ((signal.SIGKILL, -9), (signal.SIGTERM, -15)):
        pid = os.posix_spawn("/bin/sleep", ["sleep", "600"], {})
        member = Member(1, pid, line[0].line, 0.0, 0)
        assert member.ended() is None
        member.signal(number)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert member.ended() == expected


def test_how() -> None:
    """An end in words."""
    assert how(-9) == "was killed by signal 9 (Killed)"
    assert how(-35).startswith("was killed by signal 35")
    assert how(3) == "ended with status 3"
