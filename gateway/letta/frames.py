"""The bytes of Letta's event stream become frames: parsed `data:` lines.

An `AsyncStream` as letta-client makes them, with a reader of its own: the SDK's splits text
at every Unicode line break, raises on the error frames that carry the reason, and builds a
`SystemMessage` for every type it does not know.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
import httpx
import orjson
from letta_client import AsyncStream


# Nothing follows `[DONE]`, and the answer does not wait for a connection that stays open.
REST_SECONDS = 0.5


class BrokenFrame(ValueError):
    """A `data:` line that is not a JSON object."""


@attrs.define
class FrameReader:
    """
    Splits bytes, cut anywhere, into frames.

    `done` is set by `[DONE]`, `broken` by a frame that cannot be read: the stream cannot be
    trusted further. Nothing follows either.
    """

    done: bool = attrs.field(init=False, default=False)
    broken: BrokenFrame | None = attrs.field(init=False, default=None)
    _rest: bytes = attrs.field(init=False, default=b"")
    _data: list[bytes] = attrs.field(init=False, factory=list)

    def feed(self, chunk: bytes) -> list[Mapping[str, Any]]:
        """The frames that `chunk` completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        frames: list[Mapping[str, Any]] = []
        for line in lines:
            if self.done or self.broken is not None:
                break
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line.rstrip(b"\r") and self._data:
                frames += self._frame()
        return frames

    def _frame(self) -> Sequence[Mapping[str, Any]]:
        data, self._data = b"\n".join(self._data), []
        if data == b"[DONE]":
            self.done = True
            return ()
        frame = _parsed(data)
        if not isinstance(frame, dict):
            self.broken = BrokenFrame("A frame is not a JSON object.")
            return ()
        return (frame,)


def _parsed(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)  # takes half a surrogate pair, as a model may cut it
    except (ValueError, RecursionError):
        return None


class FrameStream(AsyncStream[Any]):
    """
    Gives the frames of each read as one list; ends at `[DONE]` or with the bytes.

    Raises:
        BrokenFrame: A frame cannot be read. Those before it have been given.
    """

    copy: Callable[[bytes], object] | None = None
    """If set before the first read, it is given the bytes as they come. It must not fail."""

    async def __stream__(self) -> AsyncIterator[list[Mapping[str, Any]]]:
        reader = FrameReader()
        chunks = self.response.aiter_bytes()
        if self.copy is not None:
            chunks = _copied(chunks, self.copy)
        try:
            async for chunk in chunks:
                yield reader.feed(chunk)
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
