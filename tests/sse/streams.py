"""The bytes of every recording on all surfaces that stream, and awkward places to cut them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeAlias

import attrs

from gateway.call import Reply
from gateway.events import Event, Finish, ReasoningDelta, TextDelta
from gateway.surfaces.chat_chunks import Chunks
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.sending import Frames
from gateway.surfaces.responses.encoder import Encoder
from gateway.surfaces.responses.request import parse
from gateway.surfaces.responses.shell import Shell, repeated
from gateway.web.sse import KEEPALIVE
from tests.gateway.surfaces.recorded import NAMES, events_of


# An event's name, data and id, as a parser gives them.
Read: TypeAlias = tuple[str, str, str]

# What some parsers have taken for the end of a line, or not known to be half of something.
AWKWARD = (
    "a\nb\r\nc\rd\u2028e\u2029f\x85g\x0bh\x0ci\x1cj\ufeff \x00 data: id: event:\n\n👩‍👩‍👧‍👦 𝄞é日本 "
)

# Behind any of these, and within a character, a piece may end.
PLACES = re.compile(rb"\n|: |:|d|ev|[\x80-\xff]|\\")


@attrs.frozen
class Stream:
    """What goes over the wire."""

    name: str
    data: bytes

    @property
    def expected(self) -> Sequence[Read]:
        """The events that were written."""
        blocks = self.data.replace(KEEPALIVE, b"").decode().split("\n\n")
        assert blocks.pop() == ""
        fields = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
        return [(each.get("event", "message"), each["data"], each.get("id", "")) for each in fields]

    def pieces(self, share: float = 1) -> Sequence[bytes]:
        """It comes in these: cut at this share of the awkward places."""
        return [self.data[start:end] for start, end in _pairs(self.cuts(share))]

    def cuts(self, share: float = 1) -> Sequence[int]:
        """Where each piece ends."""
        chance = random.Random(7)
        places = sorted({found.end() for found in PLACES.finditer(self.data)})
        chosen = [place for place in places if share == 1 or chance.random() < share]
        return [*(place for place in chosen if place < len(self.data)), len(self.data)]


def _pairs(cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip([0, *cuts[:-1]], cuts, strict=True)


def chat_completions(events: Sequence[Event]) -> Iterator[bytes]:
    chunks = Chunks("c", "Milo", Reply(), include_usage=True)
    yield from (chunks.encode([event]) for event in events)


def for_open_webui(events: Sequence[Event]) -> Iterator[bytes]:
    chunks = Chunks("c", "Milo", Reply(open_webui=("status", "tools")))
    yield from (chunks.encode([event]) for event in events)


def responses(events: Sequence[Event]) -> Iterator[bytes]:
    wanted = parse({"model": "Milo", "input": "Hi"})
    encoder = Encoder(Shell("resp_1", "1", 5, "Milo", repeated(wanted)))
    yield encoder.begin()
    yield from (encoder.encode([event]) for event in events)


def native(events: Sequence[Event]) -> Iterator[bytes]:
    manner = Manner(full=True)
    frames = Frames("s", manner, manner.showing())
    yield frames.head()
    yield from (frames.encode([event]) for event in events)


SURFACES: Mapping[str, Callable[[Sequence[Event]], Iterator[bytes]]] = {
    "chat_completions": chat_completions,
    "for_open_webui": for_open_webui,
    "responses": responses,
    "native": native,
}


@cache
def stream(surface: str) -> Stream:
    """All recordings one after another, and an awkward text; a keepalive after each fifth write."""
    said = [TextDelta(letter, "m") for letter in AWKWARD]
    awkward = [ReasoningDelta(AWKWARD, "m"), TextDelta(AWKWARD, "m"), *said, Finish()]
    recorded = [*(events_of(name) for name in NAMES), awkward]
    writes = [write for events in recorded for write in SURFACES[surface](events) if write]
    between = (KEEPALIVE if i % 5 == 0 else b"" for i in range(len(writes)))
    return Stream(surface, b"".join(a + b for a, b in zip(writes, between, strict=True)))
