"""One reader's part in a stream that others may read too: its interface is an `Exchange`'s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import attrs

from gateway.call import Agent, Call, Conversation
from gateway.errors import Reject
from gateway.events import Event
from gateway.streams.kept import Head, Snapshot, error_of, gone, lost, not_so_far, state_of
from gateway.streams.pages import Page, joined
from gateway.streams.reader import Lost, Reader


@attrs.frozen
class Missing:
    """What a reader is told where there is nothing to read any more."""

    lost: Callable[[], Reject] = lost
    gone: Callable[[], Reject] = gone


@attrs.define
class Stream:
    """
    One reader of a stream, from some event on to its ending. It is an `Answer`.

    Events are numbered from 1, the same for every reader for ever; the ending has a number,
    too. How they come in batches is another matter for each reader: encode them one by one.
    An empty batch says that nothing has come for the keepalive time.

    `replayed` says that this request has not begun the stream. `before` are the events before
    the one that is read first, as far as they are kept. `number` is that of the last event that
    was given. Leaving early disturbs nobody.

    A store that does not answer is no ending: `StoreError` is raised while this is read, and what
    follows can be had when it does.
    """

    _call: Call
    _reader: Reader
    _keepalive: float
    _missing: Missing = Missing()
    replayed: bool = False
    before: Sequence[Event] = attrs.field(init=False, default=())
    number: int = attrs.field(init=False, default=0)
    unmet: str = attrs.field(init=False, default="")
    _held: list[Page] = attrs.field(init=False, factory=list)
    _ended: bool = attrs.field(init=False, default=False)

    @property
    def id(self) -> str:
        """The stream's id: 32 hexadecimal digits that nobody can guess."""
        return self._reader.head.id

    @property
    def head(self) -> Head:
        """Its facts, as far as they are known by now."""
        return self._reader.head

    @property
    def call(self) -> Call:
        """
        What was asked, with the agent, conversation and reply of when it was prepared.

        Of a stream that was taken up again these and the model are all there is.
        """
        head = self._reader.head
        if not head.prepared:
            return self._call
        agent = None
        if head.agent is not None:
            agent = Agent(head.agent, head.agent_name or "", head.agent_type or "")
        place = None if head.conversation is None else Conversation(head.conversation)
        return attrs.evolve(self._call, agent=agent, conversation=place, reply=head.reply)

    async def prepared(self, within: float | None = None) -> bool:
        """
        Wait until the plugins have prepared the request; False if they have not in this time.

        Who does not wait for it learns of a refusal as of any `Error`.

        Raises:
            Reject: They refuse it, so Letta is not asked; or what became of it is not known.
        """
        while not (self._held or self._ended or self.head.prepared):
            came = await self._hold(self._keepalive if within is None else within)
            if within is not None and not came:
                return False
        if self._held and self._held[0].refused is not None:
            raise self._held[0].refused
        return True

    async def check(self) -> None:
        """
        See whether the answer is to be had whole.

        Raises:
            Reject: Its start is gone, or the end will never come.
        """
        while not self._over and await self._hold(0):
            pass
        if self._held and self._held[0].first > 1:
            raise self._missing.gone()

    async def skip(self, number: int, wait: float) -> None:
        """
        Go on behind the event with this number; it may come within `wait` seconds yet.

        Raises:
            Reject: It does not, or what follows it is not kept any more.
        """
        time = asyncio.get_running_loop().time
        until = time() + wait
        first, events = 1, list[Event]()
        while first + len(events) <= number and not self._over:
            left = max(0.0, until - time())
            try:
                came = await self._hold(left)
            except Reject:
                break  # that nothing more comes is told when it would have come
            if not came and not left:
                raise not_so_far()
            first, events = joined(self._held)
        if first > number + 1:
            raise self._missing.gone()
        self.before = tuple(events[: max(0, number + 1 - first)])
        self.number = min(number, first + len(events) - 1)
        self._ended = self._over and not events[len(self.before) :]

    async def snapshot(self, wait: float = 0.0) -> Snapshot:
        """
        All of it, from the start; `wait` so many seconds for its end.

        Raises:
            StoreError: The store does not answer.
        """
        time = asyncio.get_running_loop().time
        until = time() + wait
        pages = self._held
        try:
            while not self._over:
                left = max(0.0, until - time())
                if not await self._hold(left) and not left:
                    break
        except Reject as exc:
            pages = [*pages, Page(pages[-1].last + 1 if pages else 1, [error_of(exc)])]
        first, events = joined(pages)
        ending = pages[-1].ending if pages else None
        return Snapshot(self.head, state_of(ending), tuple(events), first)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.leave()

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        while not self._ended:
            yield await self._next()

    @property
    def _over(self) -> bool:
        return bool(self._held) and self._held[-1].ending is not None

    async def _next(self) -> Sequence[Event]:
        """The next events; none after the keepalive time."""
        time = asyncio.get_running_loop().time
        until = time() + self._keepalive
        try:
            while True:
                if batch := self._take():
                    return batch
                left = until - time()
                if left <= 0:
                    return []
                await self._hold(left)
        except Reject as exc:  # nothing follows
            self._ended = True
            self.number += 1
            return [error_of(exc)]

    async def _hold(self, wait: float) -> bool:
        """Read on; whether something has come."""
        try:
            pages = await self._reader.more(wait)
        except Lost:
            raise self._missing.lost() from None
        self._held += pages
        self.unmet = next((page.unmet for page in pages if page.unmet), self.unmet)
        return bool(pages)

    def _take(self) -> Sequence[Event]:
        """What is held and was not given yet, as far as nothing is missing."""
        batch: list[Event] = []
        while self._held and self._held[0].first <= self.number + 1:
            page = self._held.pop(0)
            batch += page.behind(self.number)
            self.number = max(self.number, page.last)
            self._ended = self._ended or page.ending is not None
        if self._held and not batch:
            raise self._missing.gone()
        return batch


@asynccontextmanager
async def left_on_failure(stream: Stream) -> AsyncIterator[None]:
    """What cannot be given out is left here and now."""
    try:
        yield
    except BaseException:
        await stream.__aexit__()
        raise
