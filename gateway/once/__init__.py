"""Once only: a turn with an idempotency key never runs twice.

The first request with a key claims it and starts a journal, which asks Letta and logs the
answer. Every request with the key, the first too, reads that log from its start: now or
later, streamed or whole, and with a store that is shared also in another process. Nobody's
leaving stops the turn.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import attrs

from gateway.call import Call
from gateway.errors import Reject, StoreError
from gateway.once.answer import Answer
from gateway.once.claims import Claim, Claimed, claim, reused
from gateway.once.identity import attempt_of, digest_of, key_of, name_of
from gateway.once.journal import Journal
from gateway.once.parking import Parking
from gateway.once.reader import LogReader
from gateway.once.sharing import Shared, shared
from gateway.pipeline import Answers
from gateway.services import Context, Spawn, Store


if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["Answer", "Once", "Shared"]


@attrs.define
class Once:
    """
    The way of all requests to an answer. `async with` ends the turns that nobody reads.

    `ttl` is how long a key and its answer are kept, `grace` how long a turn with a key goes
    on without a reader, both in seconds.
    """

    store: Store
    spawn: Spawn
    logger: Logger
    ttl: float
    grace: float
    _journals: dict[str, Journal] = attrs.field(init=False, factory=dict)
    _entering: set[asyncio.Task[tuple[Claim, bool]]] = attrs.field(init=False, factory=set)
    _parking: Parking = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._parking = Parking(self.spawn)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._parking.close()
        if self._entering:
            await asyncio.wait(self._entering)
        for journal in self._journals.values():
            self.spawn(journal.give_up())

    async def begin(self, answers: Answers, call: Call, context: Context) -> Answer:
        """
        The answer to a request: a new one, or that of a twin.

        Raises:
            Reject: As `Pipeline.begin`; or the key stands for another request, or its answer
                is not to be had.
        """
        if key := key_of(call):
            try:
                return await self._shared(answers, call, context, key)
            except StoreError as exc:
                raise Reject(exc.status, exc.code, str(exc), type=exc.type) from exc
        if chat := await answers.chat(call, context):
            return await self._in_chat(answers, call, context, chat)
        return await answers.begin(call, context)

    async def _in_chat(self, answers: Answers, call: Call, context: Context, chat: str) -> Answer:
        attempt, place = attempt_of(call), (context.caller.identity, chat)
        if attempt is None:
            self._parking.take(place)
            return await answers.begin(call, context)
        same = f"{digest_of(call, context.surface, chat)} {call.stream}"
        if attempt == 0:
            self._parking.take(place)
        return await self._parking.begin(answers, call, context, place=place, same=same)

    async def _shared(self, answers: Answers, call: Call, context: Context, key: str) -> Shared:
        name = name_of(context.caller.identity, key)
        digest = digest_of(call, context.surface, await answers.chat(call, context))
        # By itself: who leaves in between must not leave a claim behind that nobody runs.
        used = ExitStack()
        used.enter_context(answers.in_use())
        entering = asyncio.create_task(self._enter(answers, call, context, name, digest, used))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        found, ours = await asyncio.shield(entering)
        if found.digest != digest:
            raise reused()
        here = self._journals.get(found.log)
        reader = LogReader(self.store, name, found.log, here, self.grace)
        return await shared(reader, call, keepalive=answers.keepalive, replayed=not ours)

    async def _enter(
        self,
        answers: Answers,
        call: Call,
        context: Context,
        name: str,
        digest: str,
        used: ExitStack,
    ) -> tuple[Claim, bool]:
        """The claim on a key, and whether it is ours; then its turn has begun."""
        with used:
            claimed = await claim(self.store, name, digest, self.ttl)
            if not isinstance(claimed, Claimed):
                return claimed, False
            journal = Journal(
                answers, call, context, claimed, self.ttl, self.grace, self.spawn, self.logger
            )
            self._journals[claimed.claim.log] = journal
            self.spawn(self._run(journal, used.pop_all()))
        return claimed.claim, True

    async def _run(self, journal: Journal, used: ExitStack) -> None:
        with used:
            try:
                await journal.run()
            finally:
                del self._journals[journal.claimed.claim.log]
