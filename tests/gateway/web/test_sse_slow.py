"""Clients that do not read: nothing more is asked of Letta than fits into the pipe to them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from gateway.web import sse
from tests.gateway.played_letta import DONE, RUN, ping, said, text
from tests.gateway.serving import USER, Served, serving
from tests.gateway.waiting import until


# Far more than sockets and the gateway hold together.
ALL = 2 * 10**9
MOST = 50 * 10**6


@attrs.define(eq=False)
class Flood(Sequence[Any]):
    """An answer that ends when `cancelled`; `given` counts what was taken of it."""

    words: str
    given: int = 0
    cancelled: bool = False

    def __len__(self) -> int:
        return ALL // len(self.words)

    def __getitem__(self, place: Any) -> Any:
        return ping()

    def __iter__(self) -> Iterator[Any]:
        yield ping()
        for _ in range(len(self)):
            if self.cancelled:
                return
            self.given += len(self.words)
            yield text(self.words)


async def deaf(served: Served) -> socket.socket:
    """A client that has asked, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", served.port))
    body = json.dumps({"model": "Milo", "stream": True, "messages": USER}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    await loop.sock_sendall(client, head.encode() + body)
    return client


async def ended(served: Served, flood: Flood) -> None:
    """Until its run is cancelled, which is its end."""
    await until(lambda: served.letta.cancelled == [RUN])
    flood.cancelled = True


async def at_rest(flood: Flood) -> None:
    """Until nothing more is taken of it for a while."""
    before = -1
    while flood.given != before or not before:
        before = flood.given
        assert before < MOST
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("size", [20, 10_000])
async def test_it_is_waited_for(tmp_path: Path, size: int) -> None:
    """Letta is not read any further, whatever the size of its pieces; others are answered."""
    flood = Flood("x" * size)
    async with serving(tmp_path, {"Milo": flood, "Bo": said("Hello")}) as served:
        with await deaf(served):
            await at_rest(flood)
            async with served.post({"model": "Bo", "stream": True, "messages": USER}) as answer:
                assert (await answer.content.read()).endswith(DONE)
        await ended(served, flood)


async def test_it_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is waited for no longer: its connection and its run are ended."""
    monkeypatch.setattr(sse, "SEND_SECONDS", 0.3)
    flood = Flood("x" * 1000)
    async with serving(tmp_path, {"Milo": flood}) as served:
        with await deaf(served) as client:
            await ended(served, flood)
            heard = b""
            with suppress(ConnectionResetError):  # what is dropped in mid-write may end so, too
                while more := await asyncio.get_running_loop().sock_recv(client, 65536):
                    heard += more
    assert heard.startswith(b"HTTP/1.1 200 OK")
    assert not heard.endswith(b"0\r\n\r\n")
