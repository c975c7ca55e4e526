"""Bytes of a stream, read as the gateway reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.events import Event
from gateway.letta.decode import Decoder
from gateway.letta.frames import FrameReader
from gateway.testing import recordings
from gateway.testing.recordings import Recording


STREAMS: Sequence[Recording] = [
    recording for recording in map(recordings.read, recordings.names()) if recording.streamed
]


def tools_of(recording: Recording) -> frozenset[str]:
    """The names of the tools that the request of a recording offered."""
    offered = (recording.body or {}).get("client_tools") or ()
    return frozenset(tool["name"] for tool in offered)


def decoded(chunks: Iterable[bytes], client_tools: Iterable[str] = ()) -> list[Event]:
    """The events of a stream that comes in these chunks."""
    reader, decoder = FrameReader(), Decoder(frozenset(client_tools))
    events = [
        event for chunk in chunks for frame in reader.feed(chunk) for event in decoder.feed(frame)
    ]
    return [*events, *decoder.end()]


def events_of(recording: Recording) -> list[Event]:
    """The events of a recorded stream."""
    return decoded([recording.data], tools_of(recording))


def bytewise(data: bytes) -> Iterable[bytes]:
    """One byte at a time."""
    return (data[i : i + 1] for i in range(len(data)))
