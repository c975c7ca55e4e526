"""The response of a stream."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from gateway.web import sse
from tests.gateway.played_letta import DONE, RUN, ping, stop, text
from tests.gateway.serving import serving


async def test_a_client_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while its connection is cut, and the run is cancelled at Letta."""
    monkeypatch.setattr(sse, "SEND_SECONDS", 0.2)
    page = "word " * 20_000
    script = [ping(), *(text(page) for _ in range(400)), asyncio.Event(), stop(), DONE]
    async with serving(tmp_path, {"Milo": script}) as served:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", served.port))
            body = b'{"model":"Milo","stream":true,"messages":[{"role":"user","content":"x"}]}'
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: [::1]\r\n"
            head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            await loop.sock_sendall(client, head + body)
            async with asyncio.timeout(20):
                await served.letta.forgotten.wait()
    assert served.letta.cancelled == [RUN]
