"""The server that was started by hand: how other processes find it and end it.

Its supervisor keeps a file locked for as long as it lives. So what the file says is true
exactly as long as the lock is held, and no process number is trusted after that.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.letta_server.install import Installation
from tests.letta_server.process import CannotStart
from tests.letta_server.stack import Addresses


@attrs.frozen
class Standing:
    """A server that stays."""

    pid: int
    addresses: Addresses
    file: Path

    def end(self) -> None:
        """End it, and wait until nothing of it is left."""
        os.kill(self.pid, signal.SIGTERM)
        with self.file.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def standing(installation: Installation) -> Standing | None:
    """The server that is up, if one is."""
    path = _file(installation)
    if not path.exists():
        return None
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = file.read()
            return _parsed(said, path) if said.endswith("\n") else None
    return None


@contextmanager
def announced(installation: Installation) -> Iterator[Callable[[Addresses], None]]:
    """For the supervisor: claim the place, and get the function that tells where the server is."""
    with _file(installation).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart("one is up already, or coming up") from None
        file.truncate(0)

        def announce(addresses: Addresses) -> None:
            file.write(json.dumps({"pid": os.getpid(), **attrs.asdict(addresses)}) + "\n")
            file.flush()

        yield announce


def _file(installation: Installation) -> Path:
    return installation.root.with_name(f"{installation.root.name}.up")


def _parsed(said: str, file: Path) -> Standing:
    fields = json.loads(said)
    return Standing(fields.pop("pid"), Addresses(**fields), file)
