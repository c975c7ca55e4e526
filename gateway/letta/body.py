"""The bytes of one answer, read from aiohttp without a layer between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
import attrs
import httpx
from aiohttp.http import HttpProcessingError


# With the last aiohttp says that the connection has been closed, by itself if need be.
FAILURES = (aiohttp.ClientError, HttpProcessingError, RuntimeError)

# Silence is looked for so often in the time that it may last.
LOOKS = 4

# aiohttp's exception -> httpx's, the first that fits. With the upper ones nothing was sent.
_TOLD: Mapping[type[Exception], type[httpx.TransportError]] = {
    aiohttp.ConnectionTimeoutError: httpx.ConnectTimeout,
    aiohttp.ClientProxyConnectionError: httpx.ProxyError,
    aiohttp.ClientHttpProxyError: httpx.ProxyError,
    aiohttp.ClientConnectorError: httpx.ConnectError,
    aiohttp.InvalidURL: httpx.UnsupportedProtocol,
    aiohttp.NonHttpUrlClientError: httpx.UnsupportedProtocol,
    ValueError: httpx.LocalProtocolError,  # a header that cannot be written
    # With these something may have been.
    aiohttp.SocketTimeoutError: httpx.ReadTimeout,
    aiohttp.ClientOSError: httpx.ReadError,
    Exception: httpx.RemoteProtocolError,
}


def told(exc: Exception) -> httpx.TransportError:
    """The same in httpx's words, which letta-client knows."""
    kind = next(kind for of, kind in _TOLD.items() if isinstance(exc, of))
    return kind(str(exc))


@attrs.define
class Body(httpx.AsyncByteStream):
    """
    The bytes as they are on the wire, but for the marks of chunks.

    Silence of `seconds`, or a quarter more, while somebody waits is a failure. aiohttp's own
    limit would set a timer anew at each read, which costs a tenth of the read; it holds for the
    headers alone.
    """

    response: aiohttp.ClientResponse
    slots: asyncio.Semaphore
    seconds: float | None
    _closed: bool = attrs.field(init=False, default=False)
    _waits: bool = attrs.field(init=False, default=False)
    _seen: int = attrs.field(init=False, default=0)
    _looks: int = attrs.field(init=False, default=0)
    _timer: asyncio.TimerHandle | None = attrs.field(init=False, default=None)
    _protocol: Any = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        connection = self.response.connection
        if connection is None or connection.protocol is None:
            return  # it has all come
        self._protocol = connection.protocol
        self._protocol.read_timeout = None
        connection.protocol.start_timeout()  # which stops the one that runs
        if self.seconds is not None:
            self._look_later(self.seconds)

    async def read(self) -> bytes:
        """
        All that is there, waiting for the first of it; nothing at the end.

        May be cancelled: nothing is lost by it.
        """
        self._waits = True
        try:
            return await self.response.content.readany()
        except FAILURES as exc:
            if came := self._came_before():
                return came
            await self.aclose()  # nobody else does, after a failure
            raise told(exc) from exc
        finally:
            self._waits = False

    async def whole(self) -> bytes:
        """All of it, up to the end."""
        chunks: list[bytes] = []
        while chunk := await self.read():
            chunks.append(chunk)
        return b"".join(chunks)

    def __aiter__(self) -> Self:
        return self  # a generator would keep what it has given

    async def __anext__(self) -> bytes:
        if chunk := await self.read():
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the connection back, or close it if there is more to come."""
        if not self._closed:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self.response.release()
            self.slots.release()

    def _came_before(self) -> bytes:
        """What had come when the connection failed; aiohttp would give the failure only."""
        content = self.response.content
        failure: Any = content.exception()
        content.set_exception(None)  # type: ignore[arg-type]
        came = content.read_nowait()
        content.set_exception(failure)
        return came

    def _lost(self) -> bool:
        """Whether the connection is closed and nobody was told: at what aiohttp cannot read."""
        content = self.response.content
        told = content.is_eof() or content.exception() is not None
        return not (told or self._protocol.connected)

    def _look_later(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds / LOOKS, self._look, seconds)

    def _look(self, seconds: float) -> None:
        content = self.response.content
        if self._lost():
            content.set_exception(aiohttp.ClientPayloadError("what came was no chunk"))
        silent = self._waits and content.total_bytes == self._seen
        self._looks = self._looks + 1 if silent else 0
        self._seen = content.total_bytes
        if self._looks == LOOKS:
            content.set_exception(aiohttp.SocketTimeoutError("silence"))
        elif not content.is_eof() and content.exception() is None:
            self._look_later(seconds)
