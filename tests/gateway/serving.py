"""The whole gateway over a played Letta, behind the runner that production has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import loguru
from aiohttp import web
from openai import AsyncOpenAI

from gateway import config
from gateway.assemble import Gateway, assemble
from tests.gateway.played_letta import PlayedLetta, Script, played


PIPELINE = ["agent_resolver", "conversation_resolver", "tool_bridge", "reasoning_mapper"]
USER: Any = [{"role": "user", "content": "Hello"}]


@attrs.frozen
class Listening:
    """A gateway that listens, and a client of it."""

    port: int
    gateway: Gateway
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: Any = None, **more: Any) -> Any:
        """Post a chat completion: a JSON body, or whatever `more` says."""
        if body is not None:
            more["json"] = body
        return self.session.post(f"{self.url}/v1/chat/completions", **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.session.get(f"{self.url}{path}", **more)

    def openai(self, key: str = "sk-x", **more: Any) -> Any:
        """The official client."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, **more)

    async def raw(self, request: bytes) -> bytes:
        """Send bytes, and read until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@attrs.frozen
class Served(Listening):
    """The same, with the Letta below it."""

    letta: PlayedLetta


@asynccontextmanager
async def serving(
    tmp_path: Path, scripts: Mapping[str, Script], **settings: Any
) -> AsyncIterator[Served]:
    """A gateway over a played Letta."""
    async with played(scripts) as letta, over(letta.url, tmp_path, **settings) as gateway:
        yield Served(gateway.port, gateway.gateway, gateway.session, letta)


@asynccontextmanager
async def over(letta_url: str, tmp_path: Path, **settings: Any) -> AsyncIterator[Listening]:
    """
    A gateway over the Letta at this address.

    `settings` are sections of the file, over those that tests want; None leaves one out.
    """
    loaded = config.load(_file(tmp_path, letta_url, settings), environ={})
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(assemble(loaded, loguru.logger))
        runner = web.AppRunner(
            gateway.app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        )
        yield Listening(runner.addresses[0][1], gateway, session)


def _file(tmp_path: Path, letta_url: str, settings: Mapping[str, Any]) -> Path:
    whole = {
        "store": "memory",
        "pipeline": [{"use": name} for name in PIPELINE],
        **settings,
        "letta": {"base_url": letta_url, **settings.get("letta", {})},
    }
    path = tmp_path / "gateway.yaml"
    said = {name: value for name, value in whole.items() if value is not None}
    path.write_text(json.dumps(said))  # which is YAML, too
    return path
