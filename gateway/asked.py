"""Letta's answer to one request, asked once more if a turn wants that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol

import attrs

from gateway.call import Call
from gateway.events import Error, Event, Finish, Ping
from gateway.guard import Guarded


class Run(Protocol):
    """One answer of Letta's: batches of events, the last of them an ending."""

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]: ...

    async def cancel(self) -> None:
        """Cancel it at Letta, once its run id is known. Reading goes on to its end."""


class Upstream(Protocol):
    """Where answers come from."""

    def ask(self, call: Call) -> Run:
        """Ask; the request is sent when the answer is first read."""


@attrs.define
class Asked:
    """`ending` is Letta's own, whatever the turns make of it."""

    upstream: Upstream
    call: Call
    turns: Sequence[Guarded]
    ending: Finish | Error | None = attrs.field(init=False, default=None)
    _run: Run | None = attrs.field(init=False)
    _said: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._run = self.upstream.ask(self.call) if self.call.answer is None else None

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        if self._run is None:
            yield self._seen(self.call.answer or ())
            return
        async for batch in self._run:
            call = await self._again(batch)
            if call is not None:
                self._run = self.upstream.ask(call)
                break
            yield self._seen(batch)
        else:
            return
        async for batch in self._run:
            yield self._seen(batch)

    async def cancel(self) -> None:
        """Cancel the run at Letta, if it is still going on."""
        if self._run is not None and self.ending is None:
            await self._run.cancel()

    def _seen(self, batch: Sequence[Event]) -> Sequence[Event]:
        self._said = self._said or any(type(event) is not Ping for event in batch)
        if batch and isinstance(batch[-1], Finish | Error):
            self.ending = batch[-1]
        return batch

    async def _again(self, batch: Sequence[Event]) -> Call | None:
        """The call to ask with, if all that Letta has said is an error."""
        *before, last = batch or (None,)
        if self._said or not isinstance(last, Error) or any(type(e) is not Ping for e in before):
            return None
        for turn in self.turns:
            call = await turn.again(self.call, last)
            if call is not None:
                return call
        return None
