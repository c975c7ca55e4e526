"""A plugin that takes the flow itself, guarded like any turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import attrs

from gateway.events import Error, Event, Finish
from gateway.guard import Guarded
from gateway.plugin import Plugin
from gateway.services import Context


@attrs.define
class Wrapped:
    """
    The flow that `plugin.wrap` makes of `source`.

    If it raises, or ends without an ending, `bypass` lets go what it was given and had not
    passed on, and the rest of the source follows.
    """

    plugin: Plugin[object]
    source: AsyncIterator[Sequence[Event]]
    context: Context
    guarded: Guarded
    _given: list[Event] = attrs.field(init=False, factory=list)

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        events = _singly(self.source)
        try:
            async with aclosing(self.plugin.wrap(self._tapped(events), self.context)) as flow:
                async for event in flow:
                    self._given.clear()
                    yield (event,)
                    if isinstance(event, Finish | Error):
                        break
                else:
                    raise RuntimeError("wrap() ended the flow without Finish or Error")
        except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
            self.guarded.note(exc)
            if not self.guarded.bypass:
                yield (self.guarded.error(),)
            else:
                yield tuple(self._given)
        async for event in events:
            yield (event,)

    async def _tapped(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        async for event in events:
            self._given.append(event)
            yield event


async def _singly(source: AsyncIterator[Sequence[Event]]) -> AsyncGenerator[Event, None]:
    async for batch in source:
        for event in batch:
            yield event
