"""A recorded stream: where it is, what it holds, and what is wrong with it."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import attrs

from gateway.errors import StartError
from gateway.letta.frames import FrameReader


SHIPPED = Path(str(resources.files("gateway.testing") / "recordings"))
STREAM, REQUEST = ".sse", ".request.json"

_END = re.compile(rb"\r?\n\r?\n")


@attrs.frozen
class Block:
    """One server-sent event: its bytes, and its frame unless it is `[DONE]` or broken."""

    data: bytes
    frame: Mapping[str, Any] | None = None
    done: bool = False


@attrs.frozen
class Recording:
    """`asked` is the sidecar, `name.request.json`; empty where there is none."""

    name: str
    blocks: Sequence[Block]
    rest: bytes = b""
    asked: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def truncated(self) -> bool:
        """Whether the file stops in the middle of an event."""
        return bool(self.rest.strip())


def read(named: str) -> Recording:
    """
    The recording in a file, or the shipped one of this name.

    Raises:
        StartError: There is none, or the file is none.
    """
    path = _find(named)
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise StartError(f"{path} cannot be read: {exc.strerror}.") from exc
    blocks, rest = _cut(data)
    if not any(block.frame and "message_type" in block.frame for block in blocks):
        raise StartError(f"{path} is no recording: {_why(data, blocks)}.")
    return Recording(path.name.removesuffix(STREAM), blocks, rest, _asked(path))


def _find(named: str) -> Path:
    given = Path(named.removesuffix(REQUEST) + STREAM if named.endswith(REQUEST) else named)
    for path in (given, Path(f"{given}{STREAM}"), SHIPPED / f"{given.name}{STREAM}"):
        if path.is_file():
            return path
    if given.is_dir():
        raise StartError(_in_folder(given))
    if (SHIPPED / f"{given.name}.json").is_file():
        raise StartError(f"{named} is the answer to a request that did not stream.")
    raise StartError(f"There is no recording {named}{_near(given)}")


def _in_folder(folder: Path) -> str:
    names = _names(folder)
    if not names:
        return f"{folder} is a folder without recordings."
    return f"{folder} is a folder. Its newest recording is {folder / names[-1]}{STREAM}."


def _near(given: Path) -> str:
    """What may have been meant, here or among the shipped ones."""
    here = {name: str(given.parent / f"{name}{STREAM}") for name in _names(given.parent)}
    known = dict.fromkeys(_names(SHIPPED)) | here
    close = difflib.get_close_matches(given.name.removesuffix(STREAM), known, n=3, cutoff=0.5)
    if not close:
        return ": neither a file nor the name of a shipped one, as v1-plain-tok is."
    return f". Did you mean {' or '.join(known[name] or name for name in close)}?"


def _names(folder: Path) -> Sequence[str]:
    return sorted(path.name.removesuffix(STREAM) for path in folder.glob(f"*{STREAM}"))


def _cut(data: bytes) -> tuple[Sequence[Block], bytes]:
    ends = [found.end() for found in _END.finditer(data)]
    blocks = [_block(data[start:end]) for start, end in itertools.pairwise([0, *ends])]
    return blocks, data[ends[-1] if ends else 0 :]


def _block(data: bytes) -> Block:
    reader = FrameReader()
    frames = reader.feed(data)
    return Block(data, frames[0] if frames else None, reader.done)


def _why(data: bytes, blocks: Sequence[Block]) -> str:
    if any(block.frame for block in blocks):
        return "its events are not Letta's (they have no message_type)"
    if data.lstrip()[:1] in {b"{", b"["}:
        return "it is JSON, and not a stream of events"
    if b"data:" in data:
        return "it stops before the end of its first event"
    return "it holds no events (lines that begin with 'data:')"


def _asked(path: Path) -> Mapping[str, Any]:
    sidecar = path.with_name(path.name.removesuffix(STREAM) + REQUEST)
    if not sidecar.is_file():
        return {}
    try:
        asked = json.loads(sidecar.read_bytes())
    except (OSError, ValueError) as exc:
        raise StartError(f"{sidecar} cannot be read: {exc}.") from exc
    return asked if isinstance(asked, dict) else {}
