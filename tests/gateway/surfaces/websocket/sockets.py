"""A client of the socket, as a program would write one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from tests.gateway.surfaces.native.native import Native


SECONDS = 10


@attrs.frozen
class Socket:
    """An open socket."""

    ws: aiohttp.ClientWebSocketResponse

    async def send(self, frame: Any) -> None:
        await self.ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def say(
        self, content: str, agent: str = "Milo", session: str = "s1", **more: Any
    ) -> None:
        """A user's message."""
        named = {"agentName": agent, "session_id": session}
        await self.send({"type": "message", "content": content, **named, **more})

    async def frame(self) -> Any:
        """The next frame."""
        async with asyncio.timeout(SECONDS):
            heard = await self.ws.receive()
        assert heard.type == aiohttp.WSMsgType.TEXT, heard
        return json.loads(heard.data)

    async def until(self, true: Callable[[Any], object]) -> list[Any]:
        """All frames up to the first of which this is true."""
        frames = [await self.frame()]
        while not true(frames[-1]):
            frames.append(await self.frame())
        return frames

    async def answer(self) -> list[Any]:
        """The frames of one answer, where nothing else is asked."""
        return await self.until(lambda frame: frame.get("stream_end"))

    async def closed(self) -> int | None:
        """The code that the gateway closes with."""
        async with asyncio.timeout(SECONDS):
            while (heard := await self.ws.receive()).type == aiohttp.WSMsgType.TEXT:
                pass
        return self.ws.close_code if heard.type == aiohttp.WSMsgType.CLOSE else None


@asynccontextmanager
async def socket(api: Native, **more: Any) -> AsyncIterator[Socket]:
    """An open socket to this gateway."""
    where = f"{api.gateway.url}/ws"
    async with api.gateway.session.ws_connect(where, **more) as ws:
        yield Socket(ws)


def phase(frame: Any) -> str:
    """Which phase a frame of an answer is of."""
    (found,) = [name for name in ("stream_start", "stream_chunk", "stream_end") if name in frame]
    return found


def chunks(frames: list[Any]) -> list[Any]:
    """What is in the chunks."""
    return [frame["chunk"] for frame in frames if "chunk" in frame]


def text_in(frames: list[Any]) -> str:
    """The text that they carry."""
    return "".join(chunk["content"] for chunk in chunks(frames) if chunk["type"] == "message")
