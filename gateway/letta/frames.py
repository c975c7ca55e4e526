"""The bytes of Letta's event stream become frames: parsed `data:` lines.

An `AsyncStream` as letta-client makes them, with a reader of its own: the SDK's splits text
at every Unicode line break, raises on the error frames that carry the reason, and builds a
`SystemMessage` for every type it does not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
import orjson
from letta_client import AsyncStream


class BrokenFrame(ValueError):
    """A `data:` line that is not a JSON object."""


@attrs.define
class FrameReader:
    """Splits bytes, cut anywhere, into frames. `done` is set by `[DONE]`; nothing follows it."""

    done: bool = attrs.field(init=False, default=False)
    _rest: bytes = attrs.field(init=False, default=b"")
    _data: list[bytes] = attrs.field(init=False, factory=list)

    def feed(self, chunk: bytes) -> list[Mapping[str, Any]]:
        """
        The frames that `chunk` completes.

        Raises:
            BrokenFrame: A frame cannot be read, so the stream cannot be trusted further.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        frames: list[Mapping[str, Any]] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line.rstrip(b"\r") and self._data:
                frame = self._frame()
                if self.done:
                    break
                frames.append(frame)
        return frames

    def _frame(self) -> Mapping[str, Any]:
        data, self._data = b"\n".join(self._data), []
        if data == b"[DONE]":
            self.done = True
            return {}
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError as exc:
            raise BrokenFrame("A frame is not JSON.") from exc
        if not isinstance(frame, dict):
            raise BrokenFrame("A frame is not a JSON object.")
        return frame


class FrameStream(AsyncStream[Any]):
    """Gives the frames of each read as one list; ends at `[DONE]` or with the bytes."""

    async def __stream__(self) -> AsyncIterator[list[Mapping[str, Any]]]:
        reader = FrameReader()
        try:
            async for chunk in self.response.aiter_bytes():
                if not reader.done:
                    yield reader.feed(chunk)
        finally:
            await self.response.aclose()
