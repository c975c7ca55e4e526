"""A worker, as its parent sees it."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

import attrs

from gateway.workers.worker import FAILED, SERVES


@attrs.define(eq=False)
class Member:
    """
    A process that was forked at `born`, and the line to it. `heard` is all it has said.

    `reloads` is how many reloads there have been of what it has.
    """

    number: int
    pid: int
    line: socket.socket
    born: float
    reloads: int
    heard: bytes = b""

    @property
    def serves(self) -> bool:
        """Whether it listens."""
        return self.heard.startswith(SERVES)

    def hear(self) -> bool:
        """Listen to what it says; false at the end of the line."""
        with suppress(OSError):  # there is no more for now
            while said := self.line.recv(4096):
                self.heard += said
            return False
        return True

    def tell(self, word: bytes) -> None:
        """Tell it something; if it is dead already, so be it."""
        with suppress(OSError):
            self.line.send(word)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. Until it has been waited for, its process id is nobody else's."""
        os.kill(self.pid, number)

    def ended(self) -> int | None:
        """Its exit status if it has ended, negative for a signal. Told once."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def last_words(self) -> str:
        """Why it could not serve, if it has said so."""
        failed = self.heard.removeprefix(SERVES)
        return failed.removeprefix(FAILED).decode() if failed.startswith(FAILED) else ""


def how(status: int) -> str:
    """How a process has ended, in words."""
    if status < 0:
        return f"was killed by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with status {status}"
