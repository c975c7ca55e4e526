"""Bytes of a stream, read as the gateway reads them, and as letta-client itself does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, cast

import httpx
from letta_client import APIStatusError, AsyncLetta, AsyncStream
from letta_client.types.agents import LettaStreamingResponse

from gateway.events import Event
from gateway.letta.decode import Decoder
from gateway.letta.frames import FrameReader, read_object
from gateway.letta.pieces import read_piece
from gateway.testing import recordings
from gateway.testing.recordings import Recording


STREAMS: Sequence[Recording] = [
    recording for recording in map(recordings.read, recordings.names()) if recording.streamed
]


def tools_of(recording: Recording) -> frozenset[str]:
    """The names of the tools that the request of a recording offered."""
    offered = (recording.body or {}).get("client_tools") or ()
    return frozenset(tool["name"] for tool in offered)


def decoded(
    chunks: Iterable[bytes],
    client_tools: Iterable[str] = (),
    parse: Callable[[bytes], Any] = read_piece,
) -> list[Event]:
    """The events of a stream that comes in these chunks."""
    reader, decoder = FrameReader(parse), Decoder(frozenset(client_tools))
    events = [event for chunk in chunks for event in decoder.read(reader.feed(chunk))]
    return [*events, *decoder.end()]


def decoded_whole(chunks: Iterable[bytes], client_tools: Iterable[str] = ()) -> list[Event]:
    """The same, if every frame is read whole."""
    return decoded(chunks, client_tools, read_object)


async def decoded_by_sdk(
    client: AsyncLetta, chunks: Iterable[bytes], client_tools: Iterable[str] = ()
) -> list[Event]:
    """The same through letta-client's own stream of its own types, as it is shipped."""
    decoder, events = Decoder(frozenset(client_tools)), list[Event]()
    request = httpx.Request("POST", "http://letta.invalid/")
    response = httpx.Response(200, stream=Chunks(chunks), request=request)
    kinds = cast("type[Any]", LettaStreamingResponse)
    try:
        async for message in AsyncStream(cast_to=kinds, response=response, client=client):
            events += decoder.feed(message.model_dump())
    except APIStatusError as exc:  # what it makes of an error frame
        events += decoder.feed(cast("Any", exc.body))
    return [*events, *decoder.end()]


class Chunks(httpx.AsyncByteStream):
    """A body that comes in these chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


def events_of(recording: Recording) -> list[Event]:
    """The events of a recorded stream."""
    return decoded([recording.data], tools_of(recording))


def bytewise(data: bytes) -> Iterable[bytes]:
    """One byte at a time."""
    return (data[i : i + 1] for i in range(len(data)))
