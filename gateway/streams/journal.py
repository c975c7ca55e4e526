"""A kept stream while it runs: by itself, and written down for all who read it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

import attrs

from gateway.call import Call
from gateway.errors import GatewayError, Reject, StoreError
from gateway.events import Error, Event, Finish
from gateway.pipeline import Answers
from gateway.pipeline.exchange import BROKEN, Exchange
from gateway.services import Context, Lease
from gateway.streams.claims import Key
from gateway.streams.kept import Head, Limits, interrupted, stopped
from gateway.streams.pages import Page, Pages
from gateway.streams.place import Place
from gateway.streams.readers import Readers
from gateway.streams.talks import Talks
from gateway.streams.writer import Writer
from gateway.streams.written import dump


if TYPE_CHECKING:
    from loguru import Logger


@attrs.define(eq=False)
class Journal:
    """
    Asks once and logs the answer. Clients come and go as its readers.

    When nobody reads it any more, in no process, the run is cancelled at Letta; it is read to
    its end all the same. A store that fails stops the log, not the turn.
    """

    answers: Answers
    call: Call
    context: Context
    place: Place
    lease: Lease
    key: Key | None
    head: Head
    limits: Limits
    readers: Readers
    talks: Talks
    logger: Logger
    pages: Pages = attrs.field(init=False)
    _writer: Writer = attrs.field(init=False)
    _exchange: Exchange | None = attrs.field(init=False, default=None)
    _asking: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _refreshed: float = attrs.field(init=False)
    _last: int = attrs.field(init=False, default=0)
    _given_up: bool = attrs.field(init=False, default=False)
    _interrupted: bool = attrs.field(init=False, default=False)
    _ending: bool = attrs.field(init=False, default=False)
    _chat: str = attrs.field(init=False, default="")
    _aged: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.pages = Pages(self.limits.size)
        self._writer = Writer(
            self.place, self._while_running, self.limits.size, self._keep, self.logger
        )
        self._refreshed = self.context.clock.now()

    async def run(self) -> None:
        """All of it."""
        self.readers.open(self.give_up)
        ending = BROKEN
        try:
            await self._asked()
        except asyncio.CancelledError:
            ending = stopped()
            raise
        finally:
            self.readers.close()
            self.talks.end(self, self.context.caller, self._chat)
            if not self._ending:
                await self._end([ending])
            await self._writer.close()
            await self._stored(self.lease.release())

    def interrupt(self) -> None:
        """Stop it here and now. The run is cancelled at Letta, and read to its end unseen."""
        self._interrupted = True
        if self._exchange is not None:
            self._exchange.cancel_on_leave = True  # whatever is the rule for those who just leave
        if self._asking is not None and not self._ending:
            self._asking.cancel()

    def make_way(self) -> None:
        """Another request waits for its end: it stops as soon as nobody reads it."""
        self.readers.make_way()

    def keep_anew(self) -> None:
        """The store has lost what it is found by."""
        self._aged = True
        self._writer.refresh()

    async def give_up(self, at_once: bool = False) -> None:
        """
        Cancel the run at Letta; if it has not been asked yet, it will not be.

        What it says until it ends is still read, unless it has to stop `at_once`.
        """
        if self._ending or not self.answers.cancel_on_leave:
            return
        if at_once:
            self.interrupt()
            return
        self._given_up = True
        if self._exchange is not None and self._asking is not None:
            await self._exchange.asked.cancel()
            await asyncio.wait({self._asking}, timeout=self._exchange.leave_seconds)
            self.interrupt()  # Letta may hold on to it for ever, and its chat with it

    async def _asked(self) -> None:
        asking = self._asking = asyncio.create_task(self._ask())
        if self._interrupted:
            asking.cancel()
        try:
            await asyncio.wait({asking})
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})
        if not asking.cancelled():
            asking.result()
        elif not self._ending:
            await self._end([interrupted()])

    async def _ask(self) -> None:
        try:
            await self._find_chat()
            exchange = await self.answers.begin(self.call, self.context)
        except Exception as exc:  # noqa: BLE001  whatever it is, Letta has not been asked
            reject = self._as_reject(exc)
            error = Error(reject.status, reject.type, reject.code, reject.message)
            await self._end([error], refused=reject)
            return
        self._exchange = exchange
        async with exchange:
            exchange.asked.keep()
            if self._given_up:
                await exchange.asked.cancel()
            self._prepared(exchange.call)
            async for batch in exchange:
                self._lengthen(3)
                if batch and isinstance(batch[-1], Finish | Error):
                    await self._end(batch, unmet=exchange.unmet)
                elif batch:
                    self._add(self._page(batch, unmet=exchange.unmet))

    async def _find_chat(self) -> None:
        """What it says is new in its chat, where it may have to wait until others have ended."""
        self._chat = await self.answers.chat(self.call, self.context)
        if self._chat:
            self.talks.said(self.call, self.context.caller, self._chat)
            self.talks.begin(self, self.context.caller, self._chat)

    def _prepared(self, call: Call) -> None:
        agent, place = call.agent, call.conversation
        self.head = attrs.evolve(
            self.head,
            prepared=True,
            agent=None if agent is None else agent.id,
            agent_name=None if agent is None else agent.name,
            agent_type=None if agent is None else agent.type,
            conversation=None if place is None else place.id,
            reply=call.reply,
        )
        self._writer.refresh()
        self._add(self._page(()))

    def _page(
        self, events: Sequence[Event], *, unmet: str = "", refused: Reject | None = None
    ) -> Page:
        page = Page(self._last + 1, events, "" if self._last else unmet, refused)
        self._last = page.last
        return page

    def _add(self, page: Page) -> None:
        """Its readers have it now, and the log soon."""
        item = dump(page)
        self._writer.add(item)
        self.pages.add(page, len(item))

    async def _end(
        self, events: Sequence[Event], *, unmet: str = "", refused: Reject | None = None
    ) -> None:
        """The log has it, if it can be had, before any reader does."""
        self._ending = True
        ending = events[-1]
        page = self._page(events, unmet=unmet, refused=refused)
        item = dump(page)
        try:
            if self._exchange is None or (isinstance(ending, Error) and ending.rolled_back):
                # First of all, so that who hears of it and tries again at once may run.
                await self._free()
            self._writer.ttl = self.limits.ttl
            self._writer.add(item)
            self._lengthen(10)
            await self._writer.flush()
        finally:
            self.pages.add(page, len(item))

    def _lengthen(self, parts: int) -> None:
        """Keep alive what is stored of it, if so much of its life has gone by."""
        now = self.context.clock.now()
        if now - self._refreshed > self._while_running / parts:
            self._refreshed = now
            self._aged = True
            self._writer.refresh()

    @property
    def _while_running(self) -> float:
        """How long what is written lives while the turn runs: until well after the next beat."""
        return max(self.limits.ttl, 3 * self.answers.keepalive)

    async def _keep(self) -> None:
        await self.place.put_head(self.head, self._writer.ttl)
        if self.key is not None and self._aged:
            await self.key.keep(self.head.id, self._writer.ttl)
            self._aged = False

    async def _free(self) -> None:
        if self.key is not None:
            key, self.key = self.key, None
            await self._writer.flush()  # what is on its way may keep it
            await self._stored(key.free())

    async def _stored(self, work: Awaitable[None]) -> None:
        try:
            await work
        except StoreError as exc:
            self.logger.warning("what is kept of a stream cannot be put away: {}", exc)

    def _as_reject(self, exc: Exception) -> Reject:
        if isinstance(exc, Reject):
            return exc
        if isinstance(exc, GatewayError):
            return Reject(exc.status, exc.code, exc.public, type=exc.type)
        self.logger.opt(exception=exc).error("request failed: {!r}", exc)
        text = "The gateway failed. Its log says why."
        return Reject(500, "internal_error", text, retry=False)
