"""Letta's answer to one request, asked once more if a turn wants that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

import attrs

from gateway.call import Call
from gateway.events import Error, Event, Finish, Ping, ToolCallStart
from gateway.pipeline.guard import Guarded
from gateway.pipeline.reader import Shortcut


class Run(Protocol):
    """One answer of Letta's: batches of events, the last of them an ending."""

    def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]: ...

    def shortcut(self) -> Shortcut | None:
        """A way to the next batches past the iteration, which has just given one."""

    def keep(self) -> None:
        """It is to outlive a connection to Letta that breaks. Called before it is read."""

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

    `unmet` is the request's field that the whole answer does not meet: `tool_choice` without a
    call that `Call.must_call` asks for, `response_format` if `Call.must_fit` says no.

    Where Letta has kept an answer that lacks this, an error of the next is not `rolled_back`.

    Once cancelled it is not asked again: nobody waits for the answer.
    """

    upstream: Upstream
    call: Call
    turns: Sequence[Guarded]
    ending: Finish | Error | None = attrs.field(init=False, default=None)
    unmet: str = attrs.field(init=False, default="")
    _run: Run | None = attrs.field(init=False)
    _said: bool = attrs.field(init=False, default=False)
    _cancelled: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._run = self.upstream.ask(self.call) if self.call.answer is None else None

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        if self._run is None:
            yield self._seen(self.call.answer or ())
            return
        async with aclosing(self._read(self._run)) as batches:
            async for batch in batches:
                call = await self._again(batch)
                if call is not None:
                    kept = isinstance(batch[-1], Finish)
                    break
                yield self._seen(batch)
            else:
                return
        self.call = call
        self._run = self.upstream.ask(call)
        async with aclosing(self._read(self._run)) as batches:
            async for batch in batches:
                yield self._seen(_after_one_kept(batch) if kept else batch)

    def shortcut(self) -> Shortcut | None:
        """The run's own, once a client has seen something: what follows goes up as it comes."""
        return self._run.shortcut() if self._said and self._run is not None else None

    def keep(self) -> None:
        """
        The answer is kept: its run is to outlive a connection that breaks.

        Not so one that is asked for again: to Letta it has the same messages, of which it
        takes a second run in the background for a retry of the first.
        """
        if self._run is not None:
            self._run.keep()

    async def cancel(self) -> None:
        """Cancel the run at Letta, if it is still going on."""
        self._cancelled = True
        if self._run is not None and self.ending is None:
            await self._run.cancel()

    async def _read(self, run: Run) -> AsyncGenerator[Sequence[Event], None]:
        """The run's batches; while nothing may be shown, all that has come in one."""
        free = not self.call.must_call and self.call.must_fit is None
        held: list[Event] = []
        async with aclosing(aiter(run)) as batches:
            async for batch in batches:
                if free:
                    yield batch
                    continue
                held += batch
                if not self._waits(held) or (held and isinstance(held[-1], Finish | Error)):
                    yield held
                    held = []

    def _seen(self, batch: Sequence[Event]) -> Sequence[Event]:
        if batch and isinstance(batch[-1], Finish | Error):
            self.ending = batch[-1]
            self.unmet = self._lacks(batch)
        self._said = self._said or any(type(event) is not Ping for event in batch)
        return batch

    def _waits(self, held: Sequence[Event]) -> bool:
        """Whether what has come may turn out not to be what was asked for."""
        if self._said:
            return False
        if self.call.must_call:
            return not self._called(held)
        return self.call.must_fit is not None and not _calls_client(held)

    def _called(self, batch: Sequence[Event]) -> bool:
        return any(
            isinstance(event, ToolCallStart) and event.name in self.call.must_call
            for event in batch
        )

    def _lacks(self, batch: Sequence[Event]) -> str:
        """What is asked of a whole answer and this one does not meet; "" for nothing."""
        call, last = self.call, batch[-1]
        if self._said or not isinstance(last, Finish):
            return ""
        if call.must_call:
            return "" if self._called(batch) else "tool_choice"
        if call.must_fit is None or last.reason != "stop" or _calls_client(batch):
            return ""
        return "" if call.must_fit(batch) else "response_format"

    def _wants_again(self, batch: Sequence[Event]) -> Finish | Error | None:
        """The ending after which Letta may be asked once more: the client has seen nothing."""
        if self._said or self._cancelled or not batch:
            return None
        last = batch[-1]
        if isinstance(last, Error):
            return None if any(type(event) is not Ping for event in batch[:-1]) else last
        return last if isinstance(last, Finish) and self._lacks(batch) else None

    async def _again(self, batch: Sequence[Event]) -> Call | None:
        """The call to ask with, if a turn wants to: each sees what those above make of it."""
        ending = self._wants_again(batch)
        if ending is None:
            return None
        wanted: Call | None = None
        for turn in self.turns:
            if self._cancelled:
                return None
            wanted = await turn.again(wanted or self.call, ending) or wanted
        return None if self._cancelled else wanted


def _after_one_kept(batch: Sequence[Event]) -> Sequence[Event]:
    """Letta has kept the answer before this one, and the message with it, also if this fails."""
    if not batch or not isinstance(batch[-1], Error):
        return batch
    return [*batch[:-1], attrs.evolve(batch[-1], rolled_back=False)]


def _calls_client(events: Sequence[Event]) -> bool:
    return any(isinstance(event, ToolCallStart) and event.client_side for event in events)
