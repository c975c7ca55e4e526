from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta

from gateway.letta.frames import BrokenFrame, FrameReader, FrameStream, read_object
from gateway.letta.pieces import TextPiece, read_piece
from gateway.testing import recordings
from tests.gateway.letta.decoding import STREAMS, bytewise


# Cutting the few long ones everywhere would take as long as all others together.
SHORT = 6000
DRAWN_CUTS = 200

FRAME = b'data: {"message_type":"ping"}\n\n'
PING = {"message_type": "ping"}


def read(
    chunks: Iterable[bytes], parse: Callable[[bytes], Any] = read_object
) -> list[Mapping[str, Any]]:
    reader = FrameReader(parse)
    return [frame for chunk in chunks for frame in reader.feed(chunk)]


class TestFrameReader:
    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_a_recording_is_read_whole(self, recording):
        """The frames are the recording's own, as another reader has cut them."""
        expected = [frame.json for frame in recording.frames if frame.data != "[DONE]"]
        assert read([recording.data]) == expected

    @pytest.mark.parametrize("parse", [read_object, read_piece])
    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_no_cut_matters(self, recording, parse):
        """Cut in two at any byte, a stream gives the same frames."""
        data, whole = recording.data, read([recording.data], parse)
        places: Iterable[int] = range(len(data) + 1)
        if len(data) > SHORT:
            places = random.Random(recording.name).sample(range(len(data)), DRAWN_CUTS)
        for place in places:
            chunks = [data[:place], data[place:]]
            assert read(chunks, parse) == whole, f"differs when cut at {place}"

    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_other_line_ends(self, recording):
        """A proxy that ends lines with CR LF changes nothing."""
        whole, data = read([recording.data]), recording.data.replace(b"\n", b"\r\n")
        assert read([data]) == whole
        places = range(len(data)) if len(data) <= SHORT // 4 else range(0, len(data), 97)
        for place in places:
            assert read([data[:place], data[place:]]) == whole, f"differs when cut at {place}"

    def test_odd_things_between_frames(self):
        """What is no plain frame is read in its place, and so is what follows it."""
        odd = [b": hello", b"event: error\n" + FRAME[:-2], b'data: {"a":\ndata: 1}', b"id: 7"]
        data = b"\n\n".join([FRAME[:-2], *odd, FRAME[:-2], b'data:{"b":2}', b"", FRAME])
        assert read([data]) == [PING, PING, {"a": 1}, PING, {"b": 2}, PING]
        assert read(bytewise(data)) == read([data])
        assert read([data], read_piece) == read([data])

    def test_crlf(self):
        """Lines may end in CR LF, cut between the two as well."""
        data = b'event: x\r\ndata: {"a": 1}\r\n\r\ndata: [DONE]\r\n\r\n'
        assert read([data]) == [{"a": 1}]
        assert read(bytewise(data)) == [{"a": 1}]

    def test_a_frame_too_deep_to_read(self):
        """It is broken, like any other that is not JSON."""
        reader = FrameReader()
        assert reader.feed(b'data: {"a":' + b"[" * 100_000 + b"\n\n") == []
        assert isinstance(reader.broken, BrokenFrame)

    @pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
    def test_only_line_feeds_end_a_line(self, separator):
        """Letta sends Unicode's other line breaks as they are: they are part of the text."""
        text = f"one{separator}two"
        data = f"data: {json.dumps({'content': text}, ensure_ascii=False)}\n\n".encode()
        assert read([data]) == [{"content": text}]
        assert read(bytewise(data)) == [{"content": text}]

    def test_recorded_line_separators(self):
        """The real server's U+2028 comes through."""
        texts = [
            frame.get("content", "")
            for recording in STREAMS
            if "\u2028".encode() in recording.data
            for frame in read([recording.data])
        ]
        assert any("\u2028" in text for text in texts)

    def test_several_data_lines_are_one_frame(self):
        """As the format of server-sent events has it."""
        assert read([b'data: {"a":\ndata: 1}\n\n']) == [{"a": 1}]

    def test_comments_and_other_fields_are_passed_over(self):
        """A comment, an id and an event's name change nothing."""
        assert read([b": hello\n\nid: 7\nevent: error\nretry: 1\n" + FRAME]) == [PING]

    def test_a_frame_without_its_blank_line_is_not_given(self):
        """Half a frame is no frame."""
        assert read([FRAME + b'data: {"message_type":"stop_reason"}\n']) == [PING]

    def test_a_frame_in_many_pieces(self):
        """It is put together at its end."""
        reader = FrameReader()
        frame = b'data: {"a": "' + b"x" * 1000 + b'"}\n\n'
        pieces = [frame[i : i + 7] for i in range(0, len(frame), 7)]
        assert [each for piece in pieces for each in reader.feed(piece)] == [{"a": "x" * 1000}]

    def test_a_frame_without_an_end(self, monkeypatch):
        """It is not kept for ever."""
        monkeypatch.setattr("gateway.letta.frames.LONGEST", 100)
        reader = FrameReader()
        assert [reader.feed(b"data: " + b"x" * 50) for _ in range(2)] == [[], []]
        assert reader.broken is not None

    def test_nothing_follows_done(self):
        """What stands behind `[DONE]` is not read, in the same chunk or later."""
        reader = FrameReader()
        assert reader.feed(FRAME + b"data: [DONE]\n\n" + FRAME + b"data: nonsense\n\n") == [PING]
        assert reader.feed(FRAME) == []
        assert reader.done
        assert reader.broken is None

    @pytest.mark.parametrize(
        "data", [b"data: {nonsense\n\n", b"data: [1]\n\n", b"data:\n\n", b'data: {"a":"\xff"}\n\n']
    )
    def test_a_broken_frame_ends_the_reading(self, data):
        """What came before it in the same chunk is given, and nothing after it."""
        reader = FrameReader()
        assert reader.feed(FRAME + data + FRAME) == [PING]
        assert isinstance(reader.broken, BrokenFrame)
        assert reader.feed(FRAME) == []
        assert read(bytewise(FRAME + data + FRAME)) == [PING]


class Trickle(httpx.AsyncByteStream):
    """A body that comes in these chunks, the last of them an exception perhaps."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self.chunks = chunks
        self.closed = False
        self.given = 0

    async def __aiter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            self.given += 1
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


async def streamed(body: Trickle) -> list[Mapping[str, Any]]:
    async with AsyncLetta(api_key="", base_url="http://letta.invalid") as client:
        response = httpx.Response(200, stream=body)
        stream = FrameStream(cast_to=object, response=response, client=client)
        async with stream:
            return [frame async for frames in stream for frame in frames]


class TestFrameStream:
    async def test_every_read_is_one_batch(self):
        """The frames of a read come together, so that they can go out together."""
        async with AsyncLetta(api_key="", base_url="http://letta.invalid") as client:
            response = httpx.Response(200, stream=Trickle(FRAME * 2, FRAME[:9], FRAME[9:]))
            stream = FrameStream(cast_to=object, response=response, client=client)
            assert [frames async for frames in stream] == [[PING, PING], [], [PING]]

    async def test_a_copy(self):
        """Whoever asks for the bytes gets them as they came, the rest behind `[DONE]` included."""
        chunks = (FRAME[:9], FRAME[9:] + b"data: [DONE]\n\n", b": rest\n\n")
        copied: list[bytes] = []
        async with AsyncLetta(api_key="", base_url="http://letta.invalid") as client:
            response = httpx.Response(200, stream=Trickle(*chunks))
            stream = FrameStream(cast_to=object, response=response, client=client)
            stream.copy = copied.append
            assert [frames async for frames in stream] == [[], [PING]]
        assert copied == list(chunks)

    async def test_ends_with_the_bytes(self):
        """A stream that just stops gives what it had."""
        body = Trickle(FRAME)
        assert await streamed(body) == [PING]
        assert body.closed

    async def test_done_is_read_out(self):
        """The rest is read and dropped: the connection can be used again."""
        body = Trickle(FRAME, b"data: [DONE]\n\n", FRAME)
        assert await streamed(body) == [PING]
        assert body.given == 3
        assert body.closed

    async def test_a_failure_after_done_is_none(self):
        """The answer is whole by then."""
        assert await streamed(Trickle(FRAME + b"data: [DONE]\n\n", httpx.ReadError("x"))) == [PING]

    async def test_a_connection_that_stays_open_after_done_is_given_up(self, monkeypatch):
        """The answer does not wait for a server that does not close."""
        monkeypatch.setattr("gateway.letta.frames.REST_SECONDS", 0.01)

        class Open(Trickle):
            async def __aiter__(self):
                yield FRAME + b"data: [DONE]\n\n"
                await asyncio.Event().wait()

        assert await streamed(Open()) == [PING]

    async def test_a_broken_frame_raises_behind_the_good_ones(self):
        """What was good is given first, in the same read too."""
        async with AsyncLetta(api_key="", base_url="http://letta.invalid") as client:
            body = Trickle(FRAME + b"data: nonsense\n\n" + FRAME)
            stream = FrameStream(
                cast_to=object, response=httpx.Response(200, stream=body), client=client
            )
            reads = aiter(stream)
            assert await anext(reads) == [PING]
            with pytest.raises(BrokenFrame):
                await anext(reads)
            assert body.closed


def test_the_recordings_are_there():
    """The tests above would pass over none."""
    assert len(STREAMS) > 200
    assert recordings.read("v1-plain-step") in STREAMS


def test_half_a_surrogate_pair_is_read() -> None:
    """An escape of half a character, as a model may cut it, does not end the stream."""
    reader = FrameReader()

    frames = reader.feed(b'data: {"content": "\\ud83d"}\n\n')

    assert frames == [{"content": "\ud83d"}]
    assert reader.broken is None


def test_pieces_come_as_pieces() -> None:
    """And everything else as it is, also a piece that is one only nearly."""
    piece = b'data: {"message_type":"assistant_message","id":"m","content":"Hi"}\n\n'
    nearly = b'data: {"message_type":"assistant_message","id":"m","content":"\\ud83d"}\n\n'

    hi, ping, half = FrameReader(read_piece).feed(piece + FRAME + nearly)

    assert (hi, ping) == (TextPiece("m", "Hi"), PING)
    assert half["content"] == "\ud83d"
