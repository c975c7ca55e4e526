"""A client of the gateway that sees the wire as it is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from tests.real.answer import Answer, Json


PATIENCE = 120.0

Said = str | list[Json]


@attrs.frozen
class Whole:
    """An HTTP answer that is not a stream."""

    status: int
    headers: Mapping[str, str]
    json: Json

    @property
    def message(self) -> Json:
        """The assistant's message."""
        assert self.status == 200, self.json
        message: Json = self.json["choices"][0]["message"]
        return message

    @property
    def text(self) -> str:
        return self.message["content"] or ""

    @property
    def error(self) -> Json:
        error: Json = self.json["error"]
        return error


@attrs.frozen
class Stream:
    """An answer that is being read."""

    response: aiohttp.ClientResponse
    answer: Answer = attrs.field(factory=Answer)

    async def until(self, reached: Callable[[Answer], object]) -> Answer:
        """Read until this is true of the answer."""
        async with asyncio.timeout(PATIENCE):
            while not reached(self.answer):
                line = await self.response.content.readline()
                assert line, f"the stream ended too early: {self.answer}"
                self.answer.line(line)
        return self.answer

    async def rest(self) -> Answer:
        """Read to the end."""
        async with asyncio.timeout(PATIENCE):
            while line := await self.response.content.readline():
                self.answer.line(line)
        return self.answer


@attrs.frozen
class Client:
    """Asks the gateway at `url`. A text stands for one message of the user's."""

    url: str
    session: aiohttp.ClientSession

    @asynccontextmanager
    async def streaming(
        self, model: str, said: Said, headers: Mapping[str, str] | None = None, **more: Any
    ) -> AsyncIterator[Stream]:
        """A stream. Leaving the block before its end closes the connection."""
        request = self._post(model, said, headers, stream=True, **more)
        async with request as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            yield Stream(response)

    async def stream(
        self, model: str, said: Said, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """A whole stream."""
        async with self.streaming(model, said, headers, **more) as stream:
            return await stream.rest()

    async def ask(
        self, model: str, said: Said, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Whole:
        """An answer that is not streamed, or an error."""
        async with self._post(model, said, headers, **more) as response:
            return Whole(response.status, response.headers, await response.json())

    async def get(self, path: str) -> Whole:
        async with self.session.get(self.url + path) as response:
            return Whole(response.status, response.headers, await response.json())

    def _post(self, model: str, said: Said, headers: Mapping[str, str] | None, **more: Any) -> Any:
        messages = [user(said)] if isinstance(said, str) else said
        body = {"model": model, "messages": messages, **more}
        address = f"{self.url}/v1/chat/completions"
        return self.session.post(address, json=body, headers=headers)


def user(content: object) -> Json:
    """A message of the user's."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Json:
    """A message of the assistant's."""
    return {"role": "assistant", "content": content}


def system(content: str) -> Json:
    """A message of the client's operator."""
    return {"role": "system", "content": content}


@asynccontextmanager
async def client_process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A client that is a program of its own. Leaving the block kills it."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def interrupted(process: asyncio.subprocess.Process) -> None:
    """End it as Ctrl+C does; one that does not mind is killed, and the test fails."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(PATIENCE / 4):
            await process.communicate()
    except TimeoutError:
        process.kill()
        raise


async def said_by(process: asyncio.subprocess.Process, words: bytes) -> None:
    """Wait until it has written these words."""
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        await process.stdout.readuntil(words)


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    """A client that opens as many connections as it wants."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    connector = aiohttp.TCPConnector(limit=0)
    # A line of a stream may be long.
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, read_bufsize=2**20
    ) as session:
        yield Client(url, session)
