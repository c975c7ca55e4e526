"""A person at a terminal: types, reads what comes, presses Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from tests.gateway.command import COMMAND, PATIENCE


# Makes the terminal the child's own, so that Ctrl-C reaches it.
LAUNCH = """
import os, signal, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a job that a script has begun with &
os.execv(sys.argv[1], sys.argv[1:])
"""
COMMANDS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

CTRL_C, CTRL_D = "\x03", "\x04"


@attrs.define
class Terminal:
    """What runs in it has printed `said`; `coloured` is the same with its colours."""

    process: subprocess.Popen[bytes]
    fd: int
    coloured: str = ""
    _read_to: int = 0

    @property
    def said(self) -> str:
        return COMMANDS.sub("", self.coloured).replace("\r\n", "\n")

    def types(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def waits_for(self, words: str) -> str:
        """What has come up to these words, since the last time."""
        ends = time.monotonic() + PATIENCE
        while (at := self.said.find(words, self._read_to)) < 0:
            assert self._reads(ends), f"no {words!r} in {self.said!r}"
        begin, self._read_to = self._read_to, at + len(words)
        return self.said[begin : self._read_to]

    def interrupts(self, words: str) -> str:
        """Press Ctrl-C until these words come: between two keys it may go unheard."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self.types(CTRL_C)
            ends = time.monotonic() + 2.0
            while self._reads(ends):
                if words in self.said[self._read_to :]:
                    return self.waits_for(words)
        raise AssertionError(f"no {words!r} in {self.said!r}")

    def ends(self) -> int:
        """Its exit status."""
        ends = time.monotonic() + PATIENCE
        while self._reads(ends):
            pass
        return self.process.wait(PATIENCE)

    def _reads(self, ends: float) -> bool:
        """Whether there is more to come."""
        ready, _, _ = select.select([self.fd], [], [], max(0.0, ends - time.monotonic()))
        try:
            data = os.read(self.fd, 65536) if ready else b""
        except OSError:  # it has ended
            return False
        self.coloured += data.decode()
        return bool(data)


@contextmanager
def terminal(*arguments: str, **environ: str) -> Iterator[Terminal]:
    """`letta-gateway` with these arguments, in a terminal of its own."""
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100", "HOME": "/nonexistent"}
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(COMMAND), *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**env, **environ},
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
