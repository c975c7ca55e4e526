"""Requests with a key, over a Letta that says what a test writes down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import loguru

from gateway.call import Call
from gateway.events import Event
from gateway.pipeline import Step
from gateway.plugin import NoConfig, Plugin
from gateway.services import Caller, Context, Store
from gateway.store.memory import MemoryStore
from gateway.streams import Answer, Head, Keep, Stream, Streams
from gateway.streams.identity import place_of
from gateway.streams.journal import Journal
from tests.gateway.lane import KEPT, Lane, Said, ScriptedRun, lane, until


class Chats(Plugin[NoConfig]):
    """Knows the chats of these requests."""

    def chat(self, call: Call) -> str:
        return call.headers.get("x-letta-chat-key", "")


HEAD = Head(
    id="0" * 32,
    request_id="r",
    surface="responses",
    model="Milo",
    created=1_800_000_000,
    writer="w",
)

ADA = Caller("ada", "ada")

GRACE = 60.0
TTL = 3600.0


@attrs.define
class Twins:
    """A gateway's room for requests with a key."""

    made: Lane
    streams: Streams

    def call(self, key: str = "k", *, chat: str = "", attempt: int | None = None) -> Call:
        """A request with this key; or in this chat, by an SDK that has tried before."""
        headers = {"idempotency-key": key} if key else {}
        headers |= {"x-letta-chat-key": chat} if chat else {}
        headers |= {} if attempt is None else {"x-stainless-retry-count": str(attempt)}
        return attrs.evolve(KEPT, headers=headers, body={"model": "Milo"})

    async def begin(
        self, call: Call | None = None, *, caller: str = "ada", request: str = "r"
    ) -> Answer:
        """What a surface does first."""
        context = Context(request, self.made.clock, Caller(caller, caller))
        return await self.streams.begin(self.made.pipeline, call or self.call(), context)

    async def events(self, call: Call | None = None, **more: Any) -> list[Event]:
        """All that one client gets."""
        async with await self.begin(call, **more) as answer:
            return [event async for batch in answer for event in batch]

    async def start(
        self,
        keep: Keep | None = None,
        *,
        key: str = "",
        chat: str = "",
        caller: str = "ada",
        request: str = "r",
        model: str = "Milo",
    ) -> Stream:
        """What a surface does whose streams can be taken up again."""
        context = Context(request, self.made.clock, Caller(caller, caller))
        call = attrs.evolve(self.call(key, chat=chat), model=model)
        return await self.streams.start(self.made.pipeline, call, context, keep)

    async def resume(self, stream_id: str, after: int = 0, *, caller: str = "ada") -> Stream:
        """What it does for a client that has come back."""
        return await self.streams.resume(
            stream_id, Caller(caller, caller), self.made.pipeline, after=after
        )

    def name(self, stream: Stream) -> str:
        """Where a stream of ada's is kept."""
        return place_of("ada", stream.id)

    @property
    def running(self) -> dict[str, Journal]:
        """The streams that run here."""
        return self.streams._running._journals

    async def ended(self) -> None:
        """Wait until no stream runs here any more."""
        await until(lambda: not self.running)

    async def hears(self) -> None:
        """Wait until it hears what other processes tell it."""
        log = f"/streams-of/{self.streams._control.name}"
        store: Any = self.streams.store
        await until(lambda: log in store.inner._news._waiting)

    @property
    def asked(self) -> int:
        """How many times Letta was asked."""
        return len(self.made.letta.asked)


@asynccontextmanager
async def twins(
    *steps: Step,
    says: Sequence[Said] | Sequence[ScriptedRun] = (),
    store: Store | None = None,
    grace: float = GRACE,
    size: int = 4_000_000,
    **settings: Any,
) -> AsyncIterator[Twins]:
    """One gateway. Another over the same store is another process."""
    async with lane(
        Step("chats", Chats(NoConfig()), bypass=False), *steps, says=says, **settings
    ) as made:
        streams = Streams(
            store or MemoryStore(),
            made.background.spawn,
            loguru.logger,
            ttl=TTL,
            key_ttl=TTL,
            grace=grace,
            size=size,
        )
        async with streams:
            yield Twins(made, streams)


async def first(answer: Answer) -> Sequence[Event]:
    """The first batch, after which the client goes."""
    async with answer:
        async for batch in answer:
            return batch
    raise AssertionError("there was nothing")
