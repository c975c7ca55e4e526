"""What requests are answered with now, and something else in its place while streams run.

    load ──> a new generation is opened beside the old ──> new requests take the new one
                                                       └─> the old closes after its last request

Each generation lives in a task of its own: what a plugin opens is closed where it was opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

import attrs

from gateway.call import Call, Model
from gateway.config import Config
from gateway.config.templates import TemplateSettings
from gateway.counted import Load
from gateway.errors import StartError
from gateway.pipeline import Answers
from gateway.pipeline.exchange import Exchange
from gateway.services import Context
from gateway.web.access import Access


if TYPE_CHECKING:
    from loguru import Logger

# When requests still run on a configuration after so long, it is said once.
OUTDATED_SECONDS = 600.0

# At the end plugins may close for so long; then they are cancelled, and given up soon after.
CLOSING_SECONDS = 20.0
CANCELLED_SECONDS = 5.0


@attrs.define(eq=False)
class Generation:
    """What one configuration says of requests, and how many it still answers."""

    answers: Answers
    access: Access
    load: Load = attrs.field(factory=Load)
    templates: Mapping[str, TemplateSettings] = attrs.field(factory=dict)
    _requests: int = attrs.field(init=False, default=0)
    _idle: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self._idle.set()

    @property
    def keepalive(self) -> float:
        """As `Pipeline.keepalive`."""
        return self.answers.keepalive

    @property
    def cancel_on_leave(self) -> bool:
        """As `Pipeline.cancel_on_leave`."""
        return self.answers.cancel_on_leave

    async def chat(self, call: Call, context: Context) -> str:
        """As `Pipeline.chat`."""
        return await self.answers.chat(call, context)

    def in_use(self) -> AbstractContextManager[None]:
        """It is not closed while this block lasts."""
        return _InUse(self)

    async def begin(self, call: Call, context: Context) -> Exchange:
        """As `Pipeline.begin`; it is in use until the exchange has been put away."""
        self._enter()
        try:
            exchange = await self.answers.begin(call, context)
        except BaseException:
            self._leave()
            raise
        self.load.answers += 1
        exchange.put_away = self._put_away
        return exchange

    async def models(self, context: Context) -> Sequence[Model]:
        """As `Pipeline.models`."""
        return await self.answers.models(context)

    @property
    def busy(self) -> bool:
        """Whether it answers anything."""
        return self._requests > 0

    async def idle(self) -> None:
        """Wait until it answers nothing any more."""
        await self._idle.wait()

    def _put_away(self) -> None:
        self.load.answers -= 1
        self._leave()

    def _enter(self) -> None:
        self._requests += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._requests -= 1
        if not self._requests:
            self._idle.set()


@attrs.frozen
class _InUse:
    """Lasts as long as a request: a generator in its place would take four times the memory."""

    generation: Generation

    def __enter__(self) -> None:
        self.generation._enter()

    def __exit__(self, *_: object) -> None:
        self.generation._leave()


@attrs.define
class Live:
    """
    The generation in use, and those that finish what they have begun.

    `open` makes the pipelines of a configuration; it is entered and left in one task.
    """

    open: Callable[[Config], AbstractAsyncContextManager[Generation]]
    logger: Logger
    patience: float = OUTDATED_SECONDS
    _current: _Kept | None = attrs.field(init=False, default=None)
    _all: set[_Kept] = attrs.field(init=False, factory=set)

    @property
    def current(self) -> Generation:
        """What a new request is answered with."""
        if self._current is None:
            raise RuntimeError("no configuration is in use yet")
        return self._current.generation

    async def use(self, config: Config, *, within: float | None = None) -> None:
        """
        Answer new requests as `config` says; what runs goes on as it began.

        Args:
            within: How long its plugins may take to start, in seconds.

        Raises:
            StartError: Its plugins cannot start. Nothing has changed.
        """
        kept = await _Kept.opened(self.open(config), within, self.logger)
        self._all.add(kept)
        kept.task.add_done_callback(lambda _: self._all.discard(kept))
        before, self._current = self._current, kept
        if before is not None:
            before.outdated(self.patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all of them; nothing is answered any more."""
        for kept in self._all:
            kept.close()
        for kept in list(self._all):
            await kept.ended()


@attrs.define(eq=False)
class _Kept:
    """A generation in the task that keeps it open."""

    logger: Logger
    generation: Generation = attrs.field(init=False)
    task: asyncio.Task[None] = attrs.field(init=False)
    _outdated: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _closing: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)

    @classmethod
    async def opened(
        cls,
        opening: AbstractAsyncContextManager[Generation],
        within: float | None,
        logger: Logger,
    ) -> _Kept:
        kept = cls(logger)
        ready: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        kept.task = asyncio.create_task(kept._keep(opening, ready))
        try:
            async with asyncio.timeout(within):
                kept.generation = await asyncio.shield(ready)
        except BaseException as exc:
            kept.close()
            await kept.ended(0)
            if isinstance(exc, TimeoutError):
                raise StartError(f"A plugin does not start within {within:g} s.") from None
            raise
        return kept

    def outdated(self, patience: float) -> None:
        """Close when it answers nothing any more; after so many seconds, say that it still does."""
        asyncio.get_running_loop().call_later(patience, self._remind)
        self._outdated.set()

    def close(self) -> None:
        """Close at once."""
        self._closing.set()
        self._outdated.set()

    async def ended(self, patience: float | None = None) -> None:
        """Wait until it is closed; cancel what hangs."""
        first = CLOSING_SECONDS if patience is None else patience
        for seconds in (first, CANCELLED_SECONDS):
            done, _ = await asyncio.wait({self.task}, timeout=seconds)
            if done:
                return
            self.task.cancel()
        self.logger.error("a plugin neither ends nor lets itself be cancelled: it is given up")

    def _remind(self) -> None:
        if self.generation.busy and not self.task.done():
            self.logger.warning("requests still run on an outdated configuration")

    async def _keep(
        self,
        opening: AbstractAsyncContextManager[Generation],
        ready: asyncio.Future[Generation],
    ) -> None:
        try:
            async with opening as generation:
                ready.set_result(generation)
                await self._outdated.wait()
                await _first(generation.idle(), self._closing.wait())
        except BaseException as exc:
            if not ready.done():
                ready.set_exception(exc)
            elif isinstance(exc, Exception):
                self.logger.opt(exception=exc).error("a configuration's plugins did not close")
            if not isinstance(exc, Exception):
                raise


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for either."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
