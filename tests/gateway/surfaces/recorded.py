"""The events of every recorded stream of Letta's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources

from gateway.events import Event
from gateway.letta import failures
from gateway.letta.decode import Decoder
from gateway.letta.frames import BrokenFrame, FrameReader


_RECORDINGS = resources.files("gateway.testing") / "recordings"

NAMES = sorted(
    file.name.removesuffix(".sse") for file in _RECORDINGS.iterdir() if file.name.endswith(".sse")
)

RECORDED = {name: (_RECORDINGS / f"{name}.sse").read_bytes() for name in NAMES}


def offered(name: str) -> Sequence[str]:
    """The names of the client's tools in the request."""
    asked = json.loads((_RECORDINGS / f"{name}.request.json").read_bytes())
    return [tool["name"] for tool in (asked["body"] or {}).get("client_tools") or ()]


def events_of(name: str) -> Sequence[Event]:
    """What the decoder makes of it; the client offers the tools that it offered then."""
    decoder, reader = Decoder(frozenset(offered(name))), FrameReader()
    events: list[Event] = []
    try:
        for line in RECORDED[name].splitlines(keepends=True):
            for frame in reader.feed(line):
                events += decoder.feed(frame)
    except BrokenFrame as exc:
        decoder.fail(failures.incomplete(str(exc)))
    return [*events, *decoder.end()]
