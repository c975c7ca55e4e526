"""The turn of a key: it runs by itself, and writes its answer down for all who ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

import attrs

from gateway.call import Call
from gateway.errors import GatewayError, Reject, StoreError
from gateway.events import Error, Event, Finish
from gateway.once.claims import Claimed
from gateway.once.written import Head, Unmet, dump
from gateway.pipeline import Answers
from gateway.pipeline.exchange import Exchange
from gateway.services import Cancellable, Context, Spawn


if TYPE_CHECKING:
    from loguru import Logger

# An answer that is larger than this loses its start in the log: it cannot be replayed.
LARGEST = 4_000_000

# Whoever began the turn is its first reader, in a moment.
_ENTERING_SECONDS = 5.0


@attrs.define(eq=False)
class Journal:
    """
    Asks once and logs the answer, item by item. Clients come and go as readers of the log.

    `ttl` is how long the log lives after its end. When nobody has read it for `grace`
    seconds, in no process, the run is cancelled at Letta; it is read to its end all the same.
    A store that fails stops the log, not the turn.
    """

    answers: Answers
    call: Call
    context: Context
    claimed: Claimed
    ttl: float
    grace: float
    spawn: Spawn
    logger: Logger
    over: bool = attrs.field(init=False, default=False)
    broken: StoreError | None = attrs.field(init=False, default=None)
    _exchange: Exchange | None = attrs.field(init=False, default=None)
    _begun: bool = attrs.field(init=False, default=False)
    _kept: float = attrs.field(init=False)
    _readers: int = attrs.field(init=False, default=0)
    _timer: Cancellable | None = attrs.field(init=False, default=None)
    _given_up: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._kept = self.context.clock.now()

    async def run(self) -> None:
        """All of it."""
        if not self._readers:
            self._watch(max(self.grace, _ENTERING_SECONDS))
        try:
            await self._answer()
        finally:
            self.over = True
            self._unwatch()
            await self._stored(self.claimed.lease.release())

    def enter(self) -> None:
        """A reader has come."""
        self._readers += 1
        self._unwatch()

    def leave(self) -> None:
        """A reader has gone."""
        self._readers -= 1
        if not self._readers and not self.over:
            self._watch(self.grace)

    async def give_up(self) -> None:
        """Cancel the run at Letta; if it has not been asked yet, it will not be."""
        if self.over or not self.answers.cancel_on_leave:
            return
        self._given_up = True
        if self._exchange is not None:
            await self._exchange.asked.cancel()

    async def _answer(self) -> None:
        try:
            exchange = await self.answers.begin(self.call, self.context)
        except asyncio.CancelledError:
            await self._stored(self.claimed.free())
            raise
        except Exception as exc:  # noqa: BLE001  whatever it is, Letta has not been asked
            await self._refused(exc)
            return
        self._exchange = exchange
        async with exchange:
            if self._given_up:
                await exchange.asked.cancel()
            await self._write(dump(self._head(exchange)))
            async for batch in exchange:
                await self._add(batch, unmet=exchange.unmet)

    async def _refused(self, exc: Exception) -> None:
        """Those who wait get the refusal; whoever asks next may run."""
        await self._stored(self.claimed.free())
        await self._write(dump(self._as_reject(exc)))

    async def _add(self, batch: Sequence[Event], *, unmet: str) -> None:
        await self._lengthen()
        if not batch:  # silence
            return
        items = [dump(batch)]
        if unmet and not self._begun:
            items.insert(0, dump(Unmet(unmet)))
        self._begun = True
        ending = batch[-1]
        if isinstance(ending, Error) and ending.rolled_back:
            # First of all, so that who hears of it and tries again at once may run.
            await self._stored(self.claimed.free())
            await self._write(*items)
        elif isinstance(ending, Finish | Error):
            await self._write(*items)
            await self._stored(self.claimed.keep(self.ttl))
        else:
            await self._write(*items)

    async def _write(self, *items: bytes) -> None:
        """Log these; after a gap nothing more, because a reader could not tell."""
        if self.broken is None:
            log, store = self.claimed.claim.log, self.claimed.store
            await self._stored(store.append(log, items, ttl=self._running, limit=LARGEST))

    async def _lengthen(self) -> None:
        """In a long turn, keep the key and the log alive."""
        now = self.context.clock.now()
        if now - self._kept > self._running / 3:
            self._kept = now
            await self._stored(self.claimed.keep(self._running))
            await self._write()

    @property
    def _running(self) -> float:
        """How long what is written lives while the turn runs: until well after the next beat."""
        return max(self.ttl, 3 * self.answers.keepalive)

    async def _stored(self, work: Awaitable[None]) -> None:
        try:
            await work
        except StoreError as exc:
            if self.broken is None:
                self.logger.warning("the answer cannot be logged for its twins: {}", exc)
            self.broken = exc

    def _watch(self, seconds: float) -> None:
        self._unwatch()
        clock = self.context.clock
        self._timer = clock.call_at(clock.now() + seconds, self._expired)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        self.spawn(self._look())

    async def _look(self) -> None:
        """Nobody has read it here for a while. In other processes?"""
        elsewhere = await self._read_elsewhere()
        if self._readers or self.over:
            return
        if elsewhere:
            self._watch(max(1.0, self.grace / 4))
        else:
            self.logger.info("nobody reads the answer of {}: cancelled", self.context.request_id)
            await self.give_up()

    async def _read_elsewhere(self) -> bool:
        try:
            return await self.claimed.store.read(presence(self.claimed.claim.log)) is not None
        except StoreError:
            return False

    def _head(self, exchange: Exchange) -> Head:
        agent, reply = exchange.call.agent, exchange.call.reply
        agent_id, name = (agent.id, agent.name) if agent else (None, None)
        return Head(self.context.request_id, int(time.time()), agent_id, name, reply)

    def _as_reject(self, exc: Exception) -> Reject:
        if isinstance(exc, Reject):
            return exc
        if isinstance(exc, GatewayError):
            return Reject(exc.status, exc.code, str(exc), type=exc.type)
        self.logger.opt(exception=exc).error("request failed: {!r}", exc)
        text = "The gateway failed. Its log says why."
        return Reject(500, "internal_error", text, retry=False)


def presence(log: str) -> str:
    """The value that says that a log is read in another process."""
    return f"{log}/read"
