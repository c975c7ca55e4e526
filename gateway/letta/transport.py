"""How letta-client's requests reach Letta: through aiohttp, which reads a stream at a fraction of
what it costs with httpx's own transport.

What goes wrong comes out as httpx's exceptions, which letta-client knows. Those that say that
nothing was sent are given with care: what was not sent may be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, nullcontext
from functools import lru_cache
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs
import httpx
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import StartError
from gateway.letta.body import FAILURES, Body, told
from gateway.letta.connector import Connector


# In the extensions of a response: its `Body`.
BODY: Final = "letta_gateway.body"

# So many turns of the loop, and connections that the server has closed meanwhile are known:
# a message on one of them would be lost.
LOOK_UP = 2

# A longer body is written in pieces of this size, each of which has its own time limit.
PIECE = 2**16


def unpacked(response: httpx.Response) -> Body | None:
    """The body to read past httpx, whose four generators take longer; None if it is packed."""
    body: Body | None = response.extensions.get(BODY)
    return None if "content-encoding" in response.headers else body


@attrs.frozen
class Sending:
    """A request as aiohttp takes it; `limits` are httpx's, by their names."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    content: bytes
    limits: Mapping[str, float | None]
    server_name: str | None = None


class Sender(httpx.AsyncBaseTransport):
    """A transport that also takes what need not be an httpx request first."""

    async def send(self, sending: Sending) -> httpx.Response:
        """Send it. What is returned has its status and headers; the rest is read from it."""
        raise NotImplementedError

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same for an httpx request."""
        url = request.url.copy_with(userinfo=b"")  # httpx has put it into a header
        named = ((name.decode(), value.decode()) for name, value in request.headers.raw)
        sending = Sending(
            method=request.method,
            url=URL(str(url), encoded=True),
            headers=CIMultiDict(named),
            content=await request.aread(),
            limits=request.extensions["timeout"],
            server_name=request.extensions.get("sni_hostname"),
        )
        return await self.send(sending)


class Transport(Sender):
    """
    Sends each request once, on a connection that is its own until the answer is closed.

    Only what is safe by its method is sent again by aiohttp, when a connection that was kept
    turns out to be closed. Redirects are for whoever asks.
    """

    def __init__(
        self, *, max_connections: int, idle_seconds: float, secure: bool, proxy: str | None = None
    ) -> None:
        """
        Make it, inside a running loop.

        Args:
            max_connections: Answers at once; other requests wait.
            idle_seconds: How long a connection is kept for another request.
            secure: Check certificates as httpx does; to read all that it trusts takes a while.
            proxy: The address through which all requests go.
        """
        # The connector's own limit does not tell waiting for a connection from making one.
        self._slots = asyncio.Semaphore(max_connections)
        connector = Connector(
            limit=0,
            keepalive_timeout=idle_seconds,
            ssl=httpx.create_ssl_context() if secure else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        self._proxy = proxy

    async def send(self, sending: Sending) -> httpx.Response:
        """Send it. What is returned has its status and headers; the rest is read from it."""
        await self._slot(sending.limits["pool"])
        try:
            for _ in range(LOOK_UP):
                await asyncio.sleep(0)
            response = await self._sent(sending)
        except BaseException:
            self._slots.release()
            raise
        body = Body(response, self._slots, sending.limits["read"])
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=body,
            extensions={"http_version": b"HTTP/1.1", BODY: body},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _slot(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds) if self._slots.locked() else nullcontext():
                await self._slots.acquire()
        except TimeoutError as exc:
            raise httpx.PoolTimeout("all connections are in use") from exc

    async def _sent(self, sending: Sending) -> aiohttp.ClientResponse:
        content = sending.content
        try:
            if len(content) <= PIECE:
                return await self._asked(sending, sending.headers, content or None)
            headers = CIMultiDict(sending.headers)
            headers["Content-Length"] = str(len(content))
            async with asyncio.timeout(None) as limit:
                async with aclosing(_pieces(content, limit, sending.limits["write"])) as pieces:
                    return await self._asked(sending, headers, pieces)
        except (*FAILURES, ValueError) as exc:
            raise told(exc) from exc
        except TimeoutError as exc:
            raise httpx.WriteTimeout("a part of the request was not taken") from exc

    async def _asked(
        self, sending: Sending, headers: CIMultiDict[str], data: Any
    ) -> aiohttp.ClientResponse:
        limits = sending.limits
        return await self._session.request(
            sending.method,
            sending.url,
            headers=headers,
            data=data,
            allow_redirects=False,
            proxy=self._proxy,
            server_hostname=sending.server_name,
            timeout=_timeout(limits["connect"], limits["read"]),
        )


@lru_cache
def _timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=connect, sock_read=read)


async def _pieces(
    content: bytes, limit: asyncio.Timeout, seconds: float | None
) -> AsyncGenerator[bytes, None]:
    """The content, with a limit for how long the connection takes for each piece."""
    loop = asyncio.get_running_loop()
    for start in range(0, len(content), PIECE):
        limit.reschedule(None if seconds is None else loop.time() + seconds)
        yield content[start : start + PIECE]
    limit.reschedule(None)


def proxy_of(address: str) -> str | None:
    """
    The proxy that the environment names for requests to this address, as for other programs.

    Raises:
        StartError: It is of a kind that cannot be used.
    """
    url = URL(address)
    if proxy_bypass(f"{url.host}:{url.port}"):
        return None
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    kind = proxy.partition("://")[0]
    if kind.lower() not in {"http", "https"}:
        raise StartError(f"The environment names a {kind} proxy for {address}; it must be http.")
    return proxy
