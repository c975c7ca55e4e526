"""A folder of recordings that does not grow: the oldest are deleted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from gateway.errors import StartError


STREAM = ".sse"
REQUEST = ".request.json"

# Of this form are ours, and no others are ever deleted. Their order is that of their times.
NAME = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{8}")


@attrs.frozen
class Folder:
    """Holds `files` recordings of `size` bytes together at most; each is two files."""

    path: Path
    files: int
    size: int

    def open(self) -> None:
        """
        Make it, and see that it can be written.

        Raises:
            StartError: It cannot.
        """
        probe = self.path / f".{new_name()}"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as exc:
            text = f"Cannot keep recordings in {self.path}: {exc.strerror or exc}."
            raise StartError(f"{text} Name another folder with --record.") from exc

    def put(self, name: str, stream: bytes, request: bytes) -> None:
        """
        Keep a recording, and delete the oldest that are too many.

        Raises:
            OSError: It cannot be written; nothing of it stays.
        """
        try:
            # The request first: whoever sees a stream can read what was asked.
            self._write(f"{name}{REQUEST}", request)
            self._write(f"{name}{STREAM}", stream)
        except OSError:
            self._delete(name)
            raise
        self._tidy()

    def names(self) -> Sequence[str]:
        """The recordings that are kept, oldest first."""
        named = (path.name.removesuffix(STREAM) for path in self.path.glob(f"*{STREAM}"))
        return sorted(name for name in named if NAME.fullmatch(name))

    def _write(self, name: str, data: bytes) -> None:
        part = self.path / f"{name}.part"
        try:
            part.touch(mode=0o600)
            part.write_bytes(data)
            part.replace(self.path / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _tidy(self) -> None:
        size = count = 0
        for name in reversed(self.names()):
            size, count = size + self._size(name), count + 1
            if count > self.files or size > self.size:
                self._delete(name)

    def _size(self, name: str) -> int:
        paths = (self.path / f"{name}{suffix}" for suffix in (STREAM, REQUEST))
        return sum(path.stat().st_size for path in paths if path.exists())

    def _delete(self, name: str) -> None:
        for suffix in (STREAM, REQUEST):
            (self.path / f"{name}{suffix}").unlink(missing_ok=True)


def new_name() -> str:
    """A name for a recording that begins now."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(4)}"
