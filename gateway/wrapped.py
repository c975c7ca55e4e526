"""A plugin that takes the flow itself, guarded like any turn."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import attrs

from gateway.events import Error, Event, Finish
from gateway.exchange import Segment
from gateway.guard import Guarded
from gateway.plugin import Plugin
from gateway.services import Context


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

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        try:
            try:
                async with (
                    aclosing(self._tapped()) as tapped,
                    aclosing(self.plugin.wrap(tapped, self.context)) as flow,
                ):
                    async for event in flow:
                        self._passed(event)
                        yield (event,)
                        if isinstance(event, Finish | Error):
                            break
                    else:
                        raise RuntimeError("wrap() ended the flow without Finish or Error")
            except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
                yield self._instead(exc)
            while batch := await self.below.pull():
                yield batch
            await self.below.reader.drain()
        finally:
            await self.below.reader.aclose()

    async def _tapped(self) -> AsyncGenerator[Event, None]:
        # A plugin may cancel its read, for a time limit of its own: that ends this generator
        # and not what it reads from.
        while batch := await self.below.pull():
            self._coming.extend(batch)
            while self._coming:
                event = self._coming.popleft()
                self._given.append(event)
                yield event

    def _passed(self, event: Event) -> None:
        """What was given before an event that passes is done with; a new one stands for all."""
        for i, given in enumerate(self._given):
            if given is event:
                del self._given[: i + 1]
                return
        self._given.clear()

    def _instead(self, exc: Exception) -> Sequence[Event]:
        """What goes on when the plugin has failed."""
        self.guarded.note(exc)
        return (*self._given, *self._coming) if self.guarded.bypass else (self.guarded.error(),)
