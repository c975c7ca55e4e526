"""Answers whose client has gone before it heard anything, kept for a moment for its retry.

OpenAI's SDKs hang up when an answer takes too long, and send the same again at once. In a
chat that the client names, such a retry goes on with what was begun; it is not said twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Self

import attrs

from gateway.call import Call
from gateway.events import Event
from gateway.pipeline import Answers
from gateway.pipeline.exchange import Exchange
from gateway.services import Cancellable, Clock, Context, Spawn


# The SDKs' first two retries come after half a second and after a second.
PARKED_SECONDS = 3.0


@attrs.define
class Opened:
    """An answer up to its first batch, or to its end if it is not streamed."""

    exchange: Exchange
    _batches: AsyncGenerator[Sequence[Event], None]
    _said: list[Sequence[Event]]

    @property
    def call(self) -> Call:
        """The request, as the plugins have prepared it."""
        return self.exchange.call

    @property
    def unmet(self) -> str:
        """The field of the request that the answer does not meet, or ""."""
        return self.exchange.unmet

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.exchange.__aexit__(*exc)

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        said, self._said = self._said, []
        for batch in said:
            yield batch
        async for batch in self._batches:
            yield batch


async def opened(answers: Answers, call: Call, context: Context) -> Opened:
    """Begin a request. To cancel this is to leave the exchange."""
    exchange = await answers.begin(call, context)
    async with AsyncExitStack() as leaving:
        await leaving.enter_async_context(exchange)
        batches = aiter(exchange)
        said = [await anext(batches)]
        if not call.stream:
            said += [batch async for batch in batches]
        leaving.pop_all()
    return Opened(exchange, batches, said)


@attrs.define(eq=False)
class Parked:
    """An answer that waits for its client."""

    digest: str
    opening: asyncio.Task[Opened]
    timer: Cancellable


@attrs.define
class Parking:
    """
    One place for each chat of each caller.

    It is given up after some seconds, or when the client says something else in this chat.
    """

    spawn: Spawn
    _parked: dict[tuple[str, str], Parked] = attrs.field(init=False, factory=dict)

    async def begin(
        self, answers: Answers, call: Call, context: Context, *, place: tuple[str, str], same: str
    ) -> Opened:
        """
        Begin a request, or go on with the one that is parked here with the same digest.

        Raises:
            Reject: As `Pipeline.begin`.
        """
        opening = self.take(place, same) or asyncio.create_task(opened(answers, call, context))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if not opening.cancelled():
                self._park(place, same, opening, context.clock)
            raise

    def take(self, place: tuple[str, str], same: str = "") -> asyncio.Task[Opened] | None:
        """What is parked here, if it has this digest; anything else is given up."""
        parked = self._parked.pop(place, None)
        if parked is None:
            return None
        parked.timer.cancel()
        if parked.digest == same:
            return parked.opening
        self.spawn(_leave(parked.opening))
        return None

    def close(self) -> None:
        """Give up everything."""
        for place in tuple(self._parked):
            self.take(place)

    def _park(
        self, place: tuple[str, str], same: str, opening: asyncio.Task[Opened], clock: Clock
    ) -> None:
        self.take(place)  # of two whose clients have gone, the later one may come back
        timer = clock.call_at(clock.now() + PARKED_SECONDS, lambda: self.take(place) and None)
        self._parked[place] = Parked(same, opening, timer)


async def _leave(opening: asyncio.Task[Opened]) -> None:
    """Its client does not come back."""
    if not opening.done():
        opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        async with opening.result():
            pass
