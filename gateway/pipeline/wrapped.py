"""A plugin that takes the flow itself, guarded like any turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias

import attrs

from gateway.events import ENDINGS, Event
from gateway.pipeline.exchange import Segment
from gateway.pipeline.guard import Guarded
from gateway.pipeline.order import LAST, TEXTS, Order
from gateway.pipeline.watch import CLOSING_SECONDS, Watched, Worker
from gateway.plugin import Plugin
from gateway.services import Context


Flow: TypeAlias = AsyncGenerator[Event, None]


@attrs.define
class Wrapped:
    """
    The flow that `plugin.wrap` makes of what comes from `below`.

    If it raises, or ends without an ending, `bypass` lets go what it was given and had not
    passed on, and the rest follows.
    """

    plugin: Plugin[object]
    below: Segment
    context: Context
    guarded: Guarded
    _coming: deque[Event] = attrs.field(init=False, factory=deque)
    _given: list[Event] = attrs.field(init=False, factory=list)
    _order: Order = attrs.field(init=False, factory=Order)
    _at_end: bool = attrs.field(init=False, default=False)
    _below_took: float = attrs.field(init=False, default=0.0)

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        try:
            try:
                async with aclosing(self._tapped()) as tapped, await self._flow(tapped) as flow:
                    event: Event | None = None
                    while not isinstance(event, ENDINGS):
                        event = await self.guarded.worker.run(flow.__anext__, took=self._took)
                        yield self._passed(event)
            except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
                yield self._instead(exc)
            while batch := await self.below.pull():
                yield self._order.past(batch)
            await self.below.reader.drain()
        finally:
            await self.below.reader.aclose()

    async def _flow(self, tapped: Flow) -> _Closing:
        async def wrapped() -> Flow:
            return self.plugin.wrap(tapped, self.context)

        return _Closing(await self.guarded.worker.run(wrapped), self.guarded.worker)

    async def _tapped(self) -> Flow:
        # A plugin may cancel its read, for a time limit of its own: that ends this generator
        # and not what it reads from.
        while batch := await Watched(self.below.pull(), None, self._spent_below):
            self._coming.extend(batch)
            while self._coming:
                event = self._coming.popleft()
                self._at_end = self._at_end or type(event) in LAST
                self._given.append(event)
                yield event

    def _passed(self, event: Event) -> Sequence[Event]:
        """What was given before an event that passes is done with; a new one stands for all."""
        out: list[Event] = []
        if isinstance(event, TEXTS) and event.text and not self._order.strict:
            out.append(event)
        else:
            self._order.admit(event, out, at_end=self._at_end)
        for i, given in enumerate(self._given):
            if given is event:
                del self._given[: i + 1]
                return out
        self._given.clear()
        return out

    def _instead(self, exc: Exception) -> Sequence[Event]:
        """What goes on when the plugin has failed."""
        if isinstance(exc, StopAsyncIteration):
            exc = RuntimeError("wrap() ended the flow without Finish or Error")
        self.guarded.note(exc)
        if not self.guarded.bypass:
            return (self.guarded.error(),)
        return self._order.past((*self._given, *self._coming))

    def _spent_below(self, seconds: float) -> None:
        self._below_took += seconds

    def _took(self, seconds: float) -> None:
        """A step of the plugin's has taken so long, and what it read from a part of that."""
        own, self._below_took = seconds - self._below_took, 0.0
        self.guarded.tally.seconds += own
        self.guarded.worker.took(own)


@attrs.define
class _Closing:
    """A plugin's flow, closed at the end: it may take a while, but not for ever."""

    flow: Flow
    worker: Worker

    async def __aenter__(self) -> Flow:
        return self.flow

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(CLOSING_SECONDS):
            await self.worker.run(self.flow.aclose)
