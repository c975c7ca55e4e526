"""The bytes of Letta's event stream become frames: parsed `data:` lines.

An `AsyncStream` as letta-client makes them, with a reader of its own: the SDK's raises on the
error frames that carry the reason, builds a `SystemMessage` for every type it does not know,
and takes ten times as long.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

import attrs
import httpx
import msgspec
import orjson
from letta_client import AsyncStream

from gateway.letta.decode import Frame
from gateway.letta.pieces import Piece, read_piece
from gateway.letta.transport import unpacked


# Nothing follows `[DONE]`, and the answer does not wait for a connection that stays open.
REST_SECONDS = 0.5

# No message is as long, and what has no end is not waited for.
LONGEST = 64 * 1024 * 1024


class BrokenFrame(ValueError):
    """A `data:` line that is not a JSON object."""


def read_object(data: bytes) -> Frame:
    """
    Read a frame whole.

    Raises:
        ValueError: It is not a JSON object.
    """
    frame = orjson.loads(data)
    if not isinstance(frame, dict):
        raise BrokenFrame("A frame is not a JSON object.")
    return frame


@attrs.define
class FrameReader:
    """
    Splits bytes, cut anywhere, into frames.

    `done` is set by `[DONE]`, `broken` by a frame that cannot be read: the stream cannot be
    trusted further. Nothing follows either.

    `parse` makes of a frame what `feed` gives. What it does not take is given as an object.
    """

    parse: Callable[[bytes], Any] = read_object
    done: bool = attrs.field(init=False, default=False)
    broken: BrokenFrame | None = attrs.field(init=False, default=None)
    _rest: list[bytes] = attrs.field(init=False, factory=list)
    _last: bytes = attrs.field(init=False, default=b"")
    _size: int = attrs.field(init=False, default=0)

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self.done or self.broken is not None

    def feed(self, chunk: bytes) -> list[Any]:
        """The frames that `chunk` completes."""
        if not self._rest and chunk.endswith(b"\n\n"):  # as nearly all do: one write, one frame
            return self._read(chunk[:-2])
        seen = self._last + chunk
        if b"\n\n" not in seen and b"\n\r\n" not in seen:
            return self._waiting(chunk, seen)
        whole, end, rest = b"".join((*self._rest, chunk)).rpartition(b"\n\n")
        if not end:
            return self._with_returns(rest)
        self._keep(rest)
        return self._read(whole)

    def _read(self, whole: bytes) -> list[Any]:
        """The frames in what ends with one."""
        # As Letta writes them, there is nothing before the first and nothing odd between two.
        before, *blocks = (b"\n\n" + whole).split(b"\n\ndata: ")
        frames: list[Any] = self._odd(before) if before else []
        for block in blocks:
            if self.done or self.broken is not None:
                break
            try:
                frames.append(self.parse(block))
            except (ValueError, msgspec.DecodeError):
                frames += self._odd(b"data: " + block)
        return frames

    def _waiting(self, chunk: bytes, seen: bytes) -> list[Any]:
        """No frame ends here. A long one comes in many pieces, which are joined but once."""
        self._rest.append(chunk)
        self._last = seen[-2:]
        self._size += len(chunk)
        if self._size > LONGEST:
            self.broken = BrokenFrame(f"A frame is longer than {LONGEST} bytes.")
        return []

    def _with_returns(self, rest: bytes) -> list[Any]:
        """Lines end in CR LF."""
        whole, _, rest = rest.rpartition(b"\n\r\n")
        self._keep(rest)
        return self._odd(whole)

    def _keep(self, rest: bytes) -> None:
        """The beginning of the next frame."""
        self._rest = [rest] if rest else []
        self._last, self._size = rest[-2:], len(rest)

    def _odd(self, blocks: bytes) -> list[Frame]:
        """What may be in an event stream: comments, other fields, several lines of data."""
        frames: list[Frame] = []
        for block in blocks.replace(b"\r\n", b"\n").split(b"\n\n"):
            lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
            data = b"\n".join(lines)
            if data == b"[DONE]":
                self.done = True
            elif lines and not self.over:
                frames += self._object(data)
        return frames

    def _object(self, data: bytes) -> Sequence[Frame]:
        try:
            return [read_object(data)]
        except ValueError:
            pass
        try:
            frame = json.loads(data)  # takes half a surrogate pair, as a model may cut it
        except (ValueError, RecursionError):
            frame = None
        if isinstance(frame, dict):
            return (frame,)
        self.broken = BrokenFrame("A frame is not a JSON object.")
        return ()


class FrameStream(AsyncStream[Any]):
    """
    Gives the frames of each read as one list, most of them as a `Piece`; ends at `[DONE]` or
    with the bytes.

    Raises:
        BrokenFrame: A frame cannot be read. Those before it have been given.
    """

    copy: Callable[[bytes], object] | None = None
    """If set before the first read, it is given the bytes as they come. It must not fail."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.reader = FrameReader(read_piece)
        self.body = unpacked(self.response)

    def __aiter__(self) -> AsyncIterator[list[Piece | Frame]]:
        return self._iterator  # letta-client's would only hand on what this gives

    async def read(self) -> list[Piece | Frame] | None:
        """
        The frames of one read past the iteration, which has given some; None if it must go on.

        There must be a `body`. May be cancelled: nothing is lost by it.
        """
        if self.reader.over or self.body is None:
            return None
        try:
            chunk = await self.body.read()
        except httpx.HTTPError:
            return None  # the iteration will fail as well
        if self.copy is not None:
            self.copy(chunk)
        return self.reader.feed(chunk) if chunk else None

    async def __stream__(self) -> AsyncIterator[list[Piece | Frame]]:
        chunks = aiter(self.body or self.response.aiter_bytes())
        if self.copy is not None:
            chunks = _copied(chunks, self.copy)
        reader = self.reader
        try:
            async for chunk in chunks:
                frames = reader.feed(chunk)
                del chunk  # it would be kept for as long as this waits
                yield frames
                if reader.broken is not None:
                    raise reader.broken
                if reader.done:
                    await _rest(chunks)
                    return
        finally:
            await self.response.aclose()


async def _copied(
    chunks: AsyncIterator[bytes], copy: Callable[[bytes], object]
) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        copy(chunk)
        yield chunk


async def _rest(chunks: AsyncIterator[bytes]) -> None:
    """Read to the end: a connection that is read out can be used again."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(REST_SECONDS):
            async for _ in chunks:
                pass
