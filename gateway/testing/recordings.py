"""Real answers of a Letta 0.16.8 server, byte for byte, with the requests that got them.

for name in names("v1-"):
    recording = read(name)
    recording.body        # what was asked
    recording.data        # the bytes that came back
    recording.frames      # the same, cut into server-sent events
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import groupby
from typing import Any

import attrs


@attrs.frozen
class Frame:
    """One server-sent event: its `event:` field, if it has one, and its `data:`."""

    event: str
    data: str

    @property
    def json(self) -> Any:
        """The data, read as JSON."""
        return json.loads(self.data)

    @property
    def label(self) -> str:
        """The event in one word, as the index writes it: `assistant_message`, `stop:end_turn`."""
        if self.data == "[DONE]":
            return self.data
        data = self.json
        kind = str(data.get("message_type") or data.get("object") or "?")
        if kind == "stop_reason":
            return f"stop:{data['stop_reason']}"
        return f"{self.event}:{kind}" if self.event else kind


@attrs.frozen
class Recording:
    """A request that Letta was sent and what it answered."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    status: int
    summary: str
    """The events in short, runs of the same type as `typexN`; of JSON, how it begins."""
    data: bytes = attrs.field(repr=False)
    streamed: bool

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The answer's events; none if it is not a stream."""
        return tuple(read_frames(self.data)) if self.streamed else ()

    @property
    def json(self) -> Any:
        """The answer, read as JSON."""
        return json.loads(self.data)


def names(prefix: str = "") -> tuple[str, ...]:
    """The names of all recordings, or of those that begin with `prefix`."""
    return tuple(name for name in _index() if name.startswith(prefix))


def read(name: str) -> Recording:
    """
    One recording.

    Raises:
        KeyError: There is none of this name.
    """
    summary = _index()[name]
    asked = json.loads(_file(f"{name}.request.json").read_bytes())
    answer = asked["response"]
    return Recording(
        name=name,
        method=asked["method"],
        path=asked["path"],
        headers=asked["request_headers"],
        body=asked["body"],
        status=answer["status"],
        summary=summary,
        data=_file(answer["file"]).read_bytes(),
        streamed=answer["file"].endswith(".sse"),
    )


def read_frames(data: bytes) -> Iterator[Frame]:
    """Cut a stream's bytes into its events. What follows the last blank line is left out."""
    for block in blocks(data):
        fields = dict(_field(line) for line in block.decode().split("\n") if line)
        if "data" in fields:
            yield Frame(fields.get("event", ""), fields["data"])


def blocks(data: bytes) -> tuple[bytes, ...]:
    """The bytes of each event, its blank line included."""
    *whole, _rest = data.split(b"\n\n")
    return tuple(block + b"\n\n" for block in whole)


def summary(frames: Iterable[Frame]) -> str:
    """Events in short, as in the index: `ping assistant_messagex3 stop:end_turn [DONE]`."""
    runs = ((label, sum(1 for _ in run)) for label, run in groupby(f.label for f in frames))
    return " ".join(label if count == 1 else f"{label}x{count}" for label, count in runs)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def _file(name: str) -> Traversable:
    return resources.files("gateway.testing") / "recordings" / name


@cache
def _index() -> Mapping[str, str]:
    _head, *lines = _file("INDEX.tsv").read_text(encoding="utf-8").split("\n")
    rows = (line.split("\t") for line in lines if line)
    return {row[0]: row[3] for row in rows}
