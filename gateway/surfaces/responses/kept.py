"""What is kept of responses, beside their streams: what they answer, and what they follow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
import orjson

from gateway.errors import Reject, StoreError
from gateway.events import Error, Event
from gateway.json_text import dumps
from gateway.services import Caller, Store
from gateway.streams import INTERRUPTED, NoStream, Snapshot, Streams
from gateway.streams.kept import Head
from gateway.surfaces.responses.encoder import NO_FRAMES, Encoder
from gateway.surfaces.responses.ids import Ids
from gateway.surfaces.responses.items import Item
from gateway.surfaces.responses.shell import Shell


SURFACE = "responses"


@attrs.frozen
class Record:
    """
    What a response was asked, what it came to, and its place among others.

    `previous` is the token of the response that it follows, or "". `chain` and `reply` are
    what the plugins know its chain and itself by; in a `conversation` of a name it is in no
    chain. `body` is None until its end, and where its process was killed until somebody asks:
    then its stream tells. `stored` is in Unix seconds.
    """

    reply: str
    input: Sequence[Item]
    previous: str = ""
    chain: str = ""
    conversation: str = ""
    body: Mapping[str, Any] | None = None
    stored: float = 0.0

    def dump(self) -> bytes:
        """As it is stored."""
        return dumps(attrs.asdict(self, recurse=False))


@attrs.frozen
class Kept:
    """
    The responses of one caller. All raise `StoreError` if the store does not answer.

    `ttl` is how long they are kept after they were last written, in seconds.
    """

    streams: Streams
    ids: Ids
    caller: Caller
    ttl: float

    @property
    def store(self) -> Store:
        """Where they are."""
        return self.streams.store

    async def read(self, token: str) -> Record | None:
        """What is kept of a response."""
        stored = await self.store.read(self._key(token))
        return None if stored is None else Record(**orjson.loads(stored))

    async def write(self, token: str, record: Record) -> None:
        """Keep it from now on."""
        record = attrs.evolve(record, stored=time.time())
        await self.store.put(self._key(token), record.dump(), ttl=self.ttl)

    async def drop(self, token: str) -> bool:
        """Keep it no longer; whether it was."""
        return await self.store.take(self._key(token)) is not None

    async def ended(self, token: str, body: Mapping[str, Any]) -> None:
        """The end of a response has been seen."""
        record = await self.read(token)
        if record is not None and record.body is None:
            await self.write(token, attrs.evolve(record, body=body))

    async def stop(self, token: str) -> None:
        """Let a response come to its end, whatever it has come to."""
        with suppress(Reject, StoreError):
            await self.seen(await self.streams.interrupt(token, self.caller))

    async def close(self, token: str) -> None:
        """
        Keep the end of a response for as long as its record, if it has come, and by itself.

        Who stops one keeps what it has come to, or deletes it.
        """
        with suppress(Reject, StoreError):
            stood = await self.streams.look(token, self.caller)
            if stood.state != "running" and not _interrupted(stood.events[-1]):
                await self.seen(stood)

    async def body(self, token: str) -> Mapping[str, Any]:
        """
        A response as it stands.

        Raises:
            NoStream: It is not kept any more.
        """
        record = await self.read(token)
        if record is not None and record.body is not None:
            return record.body
        return await self.seen(await self.streams.look(token, self.caller))

    async def seen(self, stood: Snapshot) -> Mapping[str, Any]:
        """The response that a stream has come to; if that is its end, it is kept."""
        encoder = Encoder(self.shell(stood.head), stood.head.reply, NO_FRAMES)
        encoder.begin()
        encoder.encode(stood.events)
        body = encoder.body()
        if encoder.over and stood.first == 1:
            await self.ended(stood.head.id, body)
        return body

    def shell(self, head: Head) -> Shell:
        """
        What a stream's response is known by.

        Raises:
            NoStream: It is a stream of another surface.
        """
        if head.surface != SURFACE:
            raise NoStream
        given = self.ids.sign("resp", head.id)
        return Shell(given, head.id, head.created, head.model, head.facts)

    def _key(self, token: str) -> str:
        return f"/responses/{self.caller.identity}/{token}"


def _interrupted(ending: Event) -> bool:
    return isinstance(ending, Error) and ending.code == INTERRUPTED
