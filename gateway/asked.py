"""Letta's answer to one request, asked once more if a turn wants that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

import attrs

from gateway.call import Call
from gateway.events import Error, Event, Finish, Ping
from gateway.guard import Guarded


class Run(Protocol):
    """One answer of Letta's: batches of events, the last of them an ending."""

    def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]: ...

    async def cancel(self) -> None:
        """Cancel it at Letta, once its run id is known. Reading goes on to its end."""


class Upstream(Protocol):
    """Where answers come from."""

    def ask(self, call: Call) -> Run:
        """Ask; the request is sent when the answer is first read."""


@attrs.define
class Asked:
    """
    `ending` is Letta's own, whatever the turns make of it; `call` is what it was asked last.

    Once cancelled it is not asked again: nobody waits for the answer.
    """

    upstream: Upstream
    call: Call
    turns: Sequence[Guarded]
    ending: Finish | Error | None = attrs.field(init=False, default=None)
    _run: Run | None = attrs.field(init=False)
    _said: bool = attrs.field(init=False, default=False)
    _cancelled: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._run = self.upstream.ask(self.call) if self.call.answer is None else None

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        if self._run is None:
            yield self._seen(self.call.answer or ())
            return
        async with aclosing(aiter(self._run)) as batches:
            async for batch in batches:
                call = await self._again(batch)
                if call is not None:
                    break
                yield self._seen(batch)
            else:
                return
        self.call = call
        self._run = self.upstream.ask(call)
        async with aclosing(aiter(self._run)) as batches:
            async for batch in batches:
                yield self._seen(batch)

    async def cancel(self) -> None:
        """Cancel the run at Letta, if it is still going on."""
        self._cancelled = True
        if self._run is not None and self.ending is None:
            await self._run.cancel()

    def _seen(self, batch: Sequence[Event]) -> Sequence[Event]:
        self._said = self._said or any(type(event) is not Ping for event in batch)
        if batch and isinstance(batch[-1], Finish | Error):
            self.ending = batch[-1]
        return batch

    async def _again(self, batch: Sequence[Event]) -> Call | None:
        """The call to ask with, if all that Letta has said is an error."""
        if self._said or not batch or not isinstance(error := batch[-1], Error):
            return None
        if any(type(event) is not Ping for event in batch[:-1]):
            return None
        for turn in self.turns:
            call = None if self._cancelled else await turn.again(self.call, error)
            if call is not None:
                return None if self._cancelled else call
        return None
