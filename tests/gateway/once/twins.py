"""Requests with a key, over a Letta that says what a test writes down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import loguru

from gateway.call import Call
from gateway.events import Event
from gateway.once import Answer, Once
from gateway.pipeline import Step
from gateway.plugin import NoConfig, Plugin
from gateway.services import Caller, Context, Store
from gateway.store.memory import MemoryStore
from tests.gateway.lane import KEPT, Lane, Said, ScriptedRun, lane


class Chats(Plugin[NoConfig]):
    """Knows the chats of these requests."""

    def chat(self, call: Call) -> str:
        return call.headers.get("x-letta-chat-key", "")


GRACE = 60.0
TTL = 3600.0


@attrs.define
class Twins:
    """A gateway's room for requests with a key."""

    made: Lane
    once: Once

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
        return await self.once.begin(self.made.pipeline, call or self.call(), context)

    async def events(self, call: Call | None = None, **more: Any) -> list[Event]:
        """All that one client gets."""
        async with await self.begin(call, **more) as answer:
            return [event async for batch in answer for event in batch]

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
    **settings: Any,
) -> AsyncIterator[Twins]:
    """One gateway. Another over the same store is another process."""
    async with lane(
        Step("chats", Chats(NoConfig()), bypass=False), *steps, says=says, **settings
    ) as made:
        once = Once(
            store or MemoryStore(), made.background.spawn, loguru.logger, ttl=TTL, grace=grace
        )
        async with once:
            yield Twins(made, once)


async def first(answer: Answer) -> Sequence[Event]:
    """The first batch, after which the client goes."""
    async with answer:
        async for batch in answer:
            return batch
    raise AssertionError("there was nothing")
