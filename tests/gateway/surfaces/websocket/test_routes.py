from __future__ import annotations

import base64

import aiohttp
import pytest

from tests.gateway.surfaces.native.native import native
from tests.gateway.surfaces.websocket.sockets import socket, text_in


KEY = "k/1+?="
KEYS = [{"name": "app", "key": KEY}]


def coded(key: str) -> str:
    return "key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


async def status_of(api, **more) -> int:
    """The HTTP status that an upgrade is refused with."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with socket(api, **more):
            pass
    return caught.value.status


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"protocols": ["letta-gateway", coded(KEY)]},
        {"protocols": [coded(KEY), "letta-gateway"]},
    ],
)
async def test_a_key(more, tmp_path):
    """The key comes in a header, or as a subprotocol beside ours, which alone is answered."""
    async with native(tmp_path, keys=KEYS) as api, socket(api, **more) as ws:
        await ws.say("Hello")
        assert text_in(await ws.answer()) == "You said: Hello"
        assert ws.ws.protocol == ("letta-gateway" if "protocols" in more else None)


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"Authorization": "Bearer wrong"}},
        {"protocols": ["letta-gateway", coded("wrong")]},
        {"protocols": ["letta-gateway", "key.%%%"]},
        {"protocols": ["letta-gateway", "key._____w"]},
    ],
)
async def test_a_wrong_key(more, tmp_path):
    """A wrong key is refused before there is a socket."""
    async with native(tmp_path, keys=KEYS) as api:
        assert await status_of(api, **more) == 401


@pytest.mark.parametrize("sent", ["key.é", "key.!!", "key.a", "key.YQ==YQ", "key.="])
async def test_no_base64url(sent, tmp_path):
    """What is no key at all is refused, also where any key is taken."""
    async with native(tmp_path) as api:
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: 127.0.0.1:{api.gateway.port}",
            "Connection: close, Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Sec-WebSocket-Protocol: letta-gateway, {sent}",
        ]
        answer = await api.gateway.raw("\r\n".join([*lines, "", ""]).encode())
        assert answer.startswith(b"HTTP/1.1 401 ")


async def test_origins(tmp_path):
    """A page of another site opens no socket; a listed one does, and the gateway's own."""
    server = {"allow_origins": ["https://chat.example"]}
    async with native(tmp_path, server=server) as api:
        assert await status_of(api, origin="https://evil.example") == 403
        assert await status_of(api, origin="http://127.0.0.1:1") == 403
        assert await status_of(api, origin="null") == 403
        for origin in ("https://chat.example", api.gateway.url):
            async with socket(api, origin=origin) as ws:
                await ws.send({"type": "ping"})
                assert await ws.frame() == {"type": "pong"}


async def test_another_name(tmp_path):
    """Without keys a name that anybody can give this machine opens no socket."""
    async with native(tmp_path) as api:
        host = {"Host": "evil.example"}
        assert await status_of(api, headers=host, origin="http://evil.example") == 403


async def test_no_socket(tmp_path):
    """A plain request is told what is found here."""
    async with native(tmp_path) as api, api.get("/ws") as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["code"] == "websocket_required"
    assert "POST /chat" in error["message"]
