"""One client's part in an answer that others may read too: its interface is an `Exchange`'s."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Self

import attrs

from gateway.call import Agent, Call
from gateway.errors import GatewayError, Reject
from gateway.events import Error, Event
from gateway.once.reader import LogReader
from gateway.once.written import Head, Item, Unmet, ending_of


@attrs.define
class Shared:
    """
    The answer of a log, from its start. `replayed` says that this request did not begin it.

    Leaving it early disturbs nobody.
    """

    call: Call
    head: Head
    replayed: bool
    keepalive: float
    _reader: LogReader
    _held: list[Item]
    unmet: str = attrs.field(init=False, default="")
    _ended: bool = attrs.field(init=False, default=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader.here is not None:
            self._reader.here.leave()

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        held, self._held = self._held, []
        if batch := self._events(held):
            yield batch
        while not self._ended:
            yield await self._next()

    async def _next(self) -> Sequence[Event]:
        try:
            return self._events(await self._reader.more(self.keepalive))
        except GatewayError as exc:
            self._ended = True
            text = exc.message if isinstance(exc, Reject) else str(exc)
            return [Error(exc.status, exc.type, exc.code, text)]

    def _events(self, items: Iterable[Item]) -> list[Event]:
        events: list[Event] = []
        for item in items:
            if isinstance(item, list):
                events += item
            if isinstance(item, Unmet):
                self.unmet = item.field
            self._ended = self._ended or ending_of(item) is not None
        return events


async def shared(reader: LogReader, call: Call, *, keepalive: float, replayed: bool) -> Shared:
    """
    The answer, as soon as its request has been prepared.

    Raises:
        Reject: It was refused, or the answer is not to be had whole.
    """
    here = reader.here
    if here is not None:
        here.enter()
    try:
        first, *rest = await reader.begin()
        if not isinstance(first, Head):
            raise first if isinstance(first, Reject) else TypeError(f"no head: {first!r}")
    except BaseException:
        if here is not None:
            here.leave()
        raise
    agent = None if first.agent is None else Agent(first.agent, first.agent_name or "")
    call = attrs.evolve(call, agent=agent, reply=first.reply)
    return Shared(call, first, replayed, keepalive, reader, rest)
