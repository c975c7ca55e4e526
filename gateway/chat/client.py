"""A client of the gateway, as any program could be: it knows OpenAI's API and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import attrs

from gateway.chat.plain import one_line
from gateway.errors import GatewayError


CHAT_KEY = "X-Letta-Chat-Key"

# The gateway sends a comment every ten seconds at least, unless it is told otherwise.
SILENCE_SECONDS = 300.0
CONNECT_SECONDS = 5.0

# Longest line of an answer, and longest body that is no stream.
MOST_BYTES = 8_000_000

KEY_HINT = "This command takes one as --key or LETTA_GATEWAY_KEY."


class Unanswered(GatewayError):
    """There is no answer, or no more of it; the message says why."""


@attrs.frozen
class Piece:
    """A piece of an answer. A `note` is no part of it: it says what became of it."""

    kind: Literal["text", "reasoning", "note"]
    text: str


@attrs.frozen
class Client:
    """Asks the gateway at `url`."""

    session: aiohttp.ClientSession
    url: str

    async def models(self) -> Sequence[Mapping[str, Any]]:
        """All models that there are."""
        with self._telling():
            return _named(await self._get("/v1/models"))
        raise AssertionError

    async def model(self, name: str) -> Mapping[str, Any]:
        """One of them."""
        return await self._get(f"/v1/models/{quote(name, safe='')}")

    async def ask(
        self, model: str, messages: Sequence[Mapping[str, str]], chat_key: str
    ) -> AsyncGenerator[Piece, None]:
        """
        The answer as it comes. Leaving it early closes the stream: the gateway stops the run.

        Raises:
            Unanswered: There is none, or it has broken off.
        """
        body = {"model": model, "messages": messages, "stream": True}
        headers = {CHAT_KEY: chat_key} if chat_key else {}
        with self._telling():
            async with self._asked("POST", "/v1/chat/completions", body, headers) as response:
                async for data in _data(response):
                    if data == b"[DONE]":
                        return
                    for piece in _pieces(json.loads(data)):
                        yield piece
        raise Unanswered("The answer broke off.")

    async def _get(self, path: str) -> Mapping[str, Any]:
        with self._telling():
            async with self._asked("GET", path) as response:
                return _object(json.loads(await _body(response)))
        raise AssertionError(path)

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        response = await self.session.request(
            method, f"{self.url}{path}", json=body, headers=headers, allow_redirects=False
        )
        try:
            if response.status != 200:
                raise Unanswered(_refusal(response.status, await _body(response)))
            yield response
        finally:
            response.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whatever goes wrong on the way is told in one line."""
        try:
            yield
        except aiohttp.ClientConnectorError as exc:
            why = os.strerror(exc.os_error.errno) if exc.os_error.errno else exc.os_error
            advice = "Start one with 'letta-gateway serve' or 'letta-gateway demo', or set --url."
            raise Unanswered(f"No gateway answers at {self.url} ({why}). {advice}") from exc
        except TimeoutError as exc:
            raise Unanswered(f"The gateway at {self.url} does not answer.") from exc
        except aiohttp.InvalidURL as exc:
            raise Unanswered(
                f"{self.url} is no address: it has to be http://… or https://…"
            ) from exc
        except aiohttp.ClientError as exc:
            raise Unanswered(
                f"The connection to {self.url} broke off ({one_line(str(exc))})."
            ) from exc
        except (ValueError, RecursionError) as exc:
            raise Unanswered(f"What answers at {self.url} is no gateway.") from exc


@asynccontextmanager
async def connected(url: str, key: str) -> AsyncIterator[Client]:
    """
    A client of the gateway at this address, with or without `/v1`.

    Raises:
        Unanswered: It is no address.
    """
    if "://" not in url:
        raise Unanswered(f"{url} is no address: http:// is missing, as in http://{url}")
    if not url.startswith(("http://", "https://")):
        raise Unanswered(f"{url} is no address: it has to be http://… or https://…")
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield Client(session, url.rstrip("/").removesuffix("/v1"))


async def _data(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in _lines(response):
        if line.startswith(b"data:"):
            yield line[5:].strip()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    line = bytearray()
    async for chunk in response.content.iter_any():
        first, *others = chunk.split(b"\n")
        line += first
        for other in others:
            yield bytes(line)
            line = bytearray(other)
        if len(line) > MOST_BYTES:
            raise Unanswered("A line of the answer is too long: 8 MB is the most.")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All of an answer that is no stream."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Unanswered(f"The answer is HTTP {response.status}, and too long to read.")
    return bytes(body)


def _named(found: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [
        each
        for each in _list(found.get("data"))
        if isinstance(each, Mapping) and isinstance(each.get("id"), str)
    ]


def _pieces(chunk: Any) -> Iterator[Piece]:
    if error := _object(chunk).get("error"):
        raise Unanswered(_message(error))
    for choice in map(_object, _list(chunk.get("choices"))):
        delta = _object(choice.get("delta"))
        if reasoning := _text(delta.get("reasoning_content") or delta.get("reasoning")):
            yield Piece("reasoning", reasoning)
        if text := _text(delta.get("content")):
            yield Piece("text", text)
        if (why := _text(choice.get("finish_reason"))) not in {"", "stop"}:
            yield Piece("note", f"(it ends here: {why})")


def _refusal(status: int, body: bytes) -> str:
    hint = f" {KEY_HINT}" if status == 401 else ""
    try:
        return _message(json.loads(body)["error"]) + hint
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"The answer is HTTP {status}, and not as a gateway says it."


def _message(error: Any) -> str:
    return one_line(_text(error.get("message") if isinstance(error, Mapping) else error))


# What a gateway sends is of these kinds, or null.


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping | None):
        return value or {}
    raise ValueError("no object")


def _list(value: Any) -> Sequence[Any]:
    if isinstance(value, list | None):
        return value or []
    raise ValueError("no list")


def _text(value: Any) -> str:
    if isinstance(value, str | None):
        return value or ""
    raise ValueError("no text")
