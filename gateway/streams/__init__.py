"""Streams that survive: answers that are kept, whoever reads them, and whoever leaves.

A kept stream runs by itself. Clients come and go as its readers: from its start or from any
event on, now or later, in whatever process. Its events are logged in the store, and its
clients do not wait for that. With an idempotency key the same request sent again is a reader
of the same stream, so that its turn never runs twice.

    running   those of this process       opening   how one begins
    journal   one while it runs           readers   who reads it; whether anybody still does
    writer    logs it, behind its back    pages     what it has come to, in memory
    place     where it is kept            written   what is stored there
    stream    one reader's part in it     reader    how it reads: here, or from the log
    claims    idempotency keys            control   orders to what runs in another process
    talks     which run in a chat          roll     who is there, as the store says
    parking   answers of requests without a key, kept for a moment for an SDK's retry
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import attrs

from gateway.call import Call
from gateway.pipeline import Answers
from gateway.services import Caller, Context, Spawn, Store
from gateway.streams.answer import Answer
from gateway.streams.claims import Key, truncated, unknown
from gateway.streams.control import Control
from gateway.streams.identity import attempt_of, digest_of, is_id, key_of, name_of, place_of
from gateway.streams.journal import Journal
from gateway.streams.kept import (
    INTERRUPTED,
    Head,
    Keep,
    Limits,
    NoStream,
    Snapshot,
    State,
    as_rejects,
    not_stopped,
)
from gateway.streams.opening import Asked, Opening
from gateway.streams.parking import Parking
from gateway.streams.place import Place
from gateway.streams.reader import Elsewhere, Here, Reader
from gateway.streams.running import Running
from gateway.streams.stream import Missing, Stream, left_on_failure
from gateway.streams.talks import Talks


if TYPE_CHECKING:
    from loguru import Logger

__all__ = [
    "INTERRUPTED",
    "Answer",
    "Head",
    "Keep",
    "NoStream",
    "Snapshot",
    "State",
    "Stream",
    "Streams",
]

# How long a stream may take to stop, and to come to where its client has been before.
STOP_SECONDS = 10.0
SKIP_SECONDS = 5.0


@attrs.define
class Streams:
    """
    The way of all requests to an answer. `async with` ends the streams that nobody reads.

    `ttl` is how long a stream is kept after its end, and `key_ttl` an idempotency key with its
    answer; `grace` is how long one goes on without a reader, all in seconds. `size` is how many
    bytes of one are kept.
    """

    store: Store
    spawn: Spawn
    logger: Logger
    ttl: float
    key_ttl: float
    grace: float
    size: int
    _parking: Parking = attrs.field(init=False)
    _control: Control = attrs.field(init=False)
    _talks: Talks = attrs.field(init=False)
    _running: Running = attrs.field(init=False)
    _hearing: asyncio.Task[None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._parking = Parking(self.spawn)
        self._control = Control(self.store, self.logger)
        self._talks = Talks(self.store, self.spawn, self._control, self.logger)
        opening = Opening(self.store, self.spawn, self.logger, self._control.name, self._talks)
        self._running = Running(opening, self.spawn)

    async def __aenter__(self) -> Self:
        running = self._running
        hearing = self._control.hear({"stop": running.stop, "make_way": running.make_way})
        self._hearing = asyncio.create_task(hearing)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._parking.close()
        self._hearing.cancel()
        await asyncio.wait({self._hearing})
        await self._running.close()

    async def begin(
        self, answers: Answers, call: Call, context: Context, keep: Keep | None = None
    ) -> Answer:
        """
        The answer to a request that is kept only if it has an idempotency key.

        Raises:
            Reject: As `Pipeline.begin`; or the key stands for another request, or its answer
                is not to be had.
        """
        if key_of(call):
            stream = await self._begun(answers, call, context, keep or Keep(), self.key_ttl)
            return await _when_prepared(stream)
        if chat := await answers.chat(call, context):
            self._talks.said(call, context.caller, chat)
            return await self._in_chat(answers, call, context, chat)
        return await answers.begin(call, context)

    async def start(
        self, answers: Answers, call: Call, context: Context, keep: Keep | None = None
    ) -> Stream:
        """
        Begin a kept stream, or read that of a twin from its start.

        It does not wait for the plugins: see `Stream.prepared`.

        Raises:
            Reject: The request's idempotency key stands for another request, its answer is
                not to be had, or the store does not answer.
        """
        ttl = max(self.ttl, self.key_ttl) if key_of(call) else self.ttl
        return await self._begun(answers, call, context, keep or Keep(), ttl)

    async def resume(
        self, stream_id: str, caller: Caller, answers: Answers, *, after: int = 0
    ) -> Stream:
        """
        Read a stream behind the event with this number, then as it goes on.

        Raises:
            NoStream: The caller has none of this id.
            Reject: What was said there is not kept any more, or the store does not answer.
        """
        with as_rejects():
            stream = await self._open(self._place(stream_id, caller), answers.keepalive)
            async with left_on_failure(stream):
                await stream.skip(max(0, after), SKIP_SECONDS)
        return stream

    async def look(self, stream_id: str, caller: Caller) -> Snapshot:
        """
        All of a stream so far, and its state.

        Raises:
            NoStream: The caller has none of this id.
            Reject: The store does not answer.
        """
        with as_rejects():
            async with await self._open(self._place(stream_id, caller)) as stream:
                return await stream.snapshot()

    async def interrupt(self, stream_id: str, caller: Caller) -> Snapshot:
        """
        Stop a stream, wherever it runs; what it has come to. One that has ended stays as it is.

        Raises:
            NoStream: The caller has none of this id.
            Reject: It does not stop in time, or the store does not answer.
        """
        place = self._place(stream_id, caller)
        with as_rejects():
            async with await self._open(place) as stream:
                stood = await stream.snapshot()
                if stood.state == "running":
                    if not self._running.stop(place.name):
                        await self._control.tell(stood.head.writer, "stop", place.name)
                    stood = await stream.snapshot(STOP_SECONDS)
        if stood.state == "running":
            raise not_stopped()
        return stood

    async def ended(self, stream_id: str, caller: Caller, within: float) -> Snapshot:
        """
        Wait so many seconds for the end of a stream that something is to follow.

        Who only waits for it is no reader: unless it is in the background, a stream ends at once
        when it has none. Its state may still be that it runs.

        Raises:
            NoStream: The caller has none of this id.
            Reject: The store does not answer.
        """
        place = self._place(stream_id, caller)
        with as_rejects():
            async with await self._open(place, watches=True) as stream:
                stood = await stream.snapshot()
                if stood.state == "running":
                    if not self._running.make_way(place.name):
                        await self._control.tell(stood.head.writer, "make_way", place.name)
                    stood = await stream.snapshot(within)
        return stood

    async def forget(self, stream_id: str, caller: Caller) -> None:
        """
        Stop a stream and delete what is kept of it.

        Raises:
            NoStream: The caller has none of this id.
            Reject: As `interrupt`.
        """
        await self.interrupt(stream_id, caller)
        place = self._place(stream_id, caller)
        self._running.forget(place.name)
        with as_rejects():
            await place.clear()

    async def _in_chat(self, answers: Answers, call: Call, context: Context, chat: str) -> Answer:
        attempt, place = attempt_of(call), (context.caller.identity, chat)
        if attempt is None:
            self._parking.take(place)
            return await answers.begin(call, context)
        same = f"{digest_of(call, context.surface, chat)} {call.stream}"
        if attempt == 0:
            self._parking.take(place)
        return await self._parking.begin(answers, call, context, place=place, same=same)

    async def _begun(
        self, answers: Answers, call: Call, context: Context, keep: Keep, ttl: float
    ) -> Stream:
        with as_rejects():
            key = await self._key(answers, call, context)
            limits = Limits(ttl, None if keep.background else self.grace, self.size)
            found = await self._running.begin(Asked(answers, call, context, keep, key, limits))
            missing = Missing() if key is None else Missing(unknown, truncated)
            if isinstance(found, Journal):
                return Stream(call, Here(found), answers.keepalive, missing)
            try:
                reader = await self._reader(self._place(found, context.caller))
            except NoStream:
                raise unknown() from None
            stream = Stream(call, reader, answers.keepalive, missing, replayed=True)
            async with left_on_failure(stream):
                await stream.check()
        return stream

    async def _key(self, answers: Answers, call: Call, context: Context) -> Key | None:
        key = key_of(call)
        if not key:
            return None
        digest = digest_of(call, context.surface, await answers.chat(call, context))
        return Key(self.store, name_of(context.caller.identity, key), digest, self.key_ttl)

    def _place(self, stream_id: str, caller: Caller) -> Place:
        if not is_id(stream_id):
            raise NoStream
        return Place(self.store, place_of(caller.identity, stream_id))

    async def _open(self, place: Place, keepalive: float = 0.0, *, watches: bool = False) -> Stream:
        reader = await self._reader(place, watches=watches)
        return Stream(Call(reader.head.model, (), stream=True), reader, keepalive)

    async def _reader(self, place: Place, *, watches: bool = False) -> Reader:
        journal = self._running.get(place.name)
        if journal is not None:
            return Here(journal, watches)
        head = await place.head()
        if head is None:
            raise NoStream
        return Elsewhere(place, head, self.grace, self.spawn, watches)


async def _when_prepared(stream: Stream) -> Stream:
    async with left_on_failure(stream):
        await stream.prepared()
    return stream
