"""The pipeline of a running gateway: its steps, their lifespans, and the way in.

Requests go down the steps' list, events come up it. The same pipeline serves every
surface; `begin` is the only way to an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from gateway.call import Call, Model
from gateway.errors import Reject, StartError
from gateway.pipeline.asked import Asked, Upstream
from gateway.pipeline.chain import Chain
from gateway.pipeline.exchange import Exchange, Segment
from gateway.pipeline.guard import Guarded, Tally
from gateway.pipeline.reader import Reader
from gateway.pipeline.watch import CONTAINED, current_task, unwatched, watch_tasks
from gateway.pipeline.wrapped import Wrapped
from gateway.plugin import Plugin, Turn
from gateway.services import Context, Services, Spawn


if TYPE_CHECKING:
    from loguru import Logger


@attrs.frozen
class Step:
    """A plugin at its place, and what becomes of a request when it fails."""

    id: str
    plugin: Plugin[Any]
    bypass: bool
    tally: Tally = attrs.field(factory=Tally)

    @property
    def wraps(self) -> bool:
        """Whether it takes the flow itself, for I/O between events."""
        return type(self.plugin).wrap is not Plugin.wrap

    @property
    def knows_chats(self) -> bool:
        """Whether it may know which chat a request names."""
        return type(self.plugin).chat is not Plugin.chat

    def begin(self, context: Context, logger: Logger) -> Guarded:
        """Its turn for one request, guarded."""
        guarded = self._guarded(logger)
        guarded.begin(lambda: self.plugin.begin(context))
        return guarded

    async def models(
        self, context: Context, found: Sequence[Model], logger: Logger
    ) -> Sequence[Model]:
        """What the plugin makes of the models found above it."""
        guarded = self._guarded(logger)
        try:
            models = await guarded.worker.run(self.plugin.models, context, found)
            if not all(isinstance(model, Model) for model in models):
                raise TypeError("models() gave something that is not a Model")
            return models
        except Reject:
            raise
        except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
            guarded.pass_by(exc)
            return found
        finally:
            guarded.worker.leave()

    def chat(self, call: Call, logger: Logger) -> str:
        """The chat that the plugin knows the request to name."""
        guarded = self._guarded(logger)
        try:
            return self.plugin.chat(call)
        except Reject:
            raise
        except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
            guarded.pass_by(exc)
            return ""
        finally:
            guarded.worker.leave()

    def _guarded(self, logger: Logger) -> Guarded:
        return Guarded(self.id, Turn(), self.bypass, self.tally, logger)


class Answers(Protocol):
    """Where surfaces get answers from: a pipeline, or whatever chooses one."""

    @property
    def keepalive(self) -> float:
        """Seconds of silence after which an exchange gives an empty batch."""

    @property
    def cancel_on_leave(self) -> bool:
        """Whether a run is cancelled when its client leaves."""

    def in_use(self) -> AbstractContextManager[None]:
        """Its plugins are not closed while the block lasts."""

    async def chat(self, call: Call, context: Context) -> str:
        """As `Pipeline.chat`."""

    async def begin(self, call: Call, context: Context) -> Exchange:
        """As `Pipeline.begin`."""

    async def models(self, context: Context) -> Sequence[Model]:
        """As `Pipeline.models`."""


@asynccontextmanager
async def lifespans(
    steps: Sequence[Step], services: Sequence[Services], logger: Logger
) -> AsyncIterator[None]:
    """
    Open every plugin in order, each with services of its own; close in reverse.

    Raises:
        StartError: One of them cannot be opened.
    """
    async with AsyncExitStack() as stack:
        watch_tasks()
        for step, given in zip(steps, services, strict=True):
            own = attrs.evolve(given, spawn=unwatched(given.spawn))
            await stack.enter_async_context(_Open(step, own, logger))
        yield


@attrs.frozen
class Pipeline:
    """
    Steps in the order of the YAML file, and Letta below them.

    `keepalive` is the silence in seconds after which an exchange gives an empty batch.
    `leave_seconds` bounds the work that goes on when a client has left.
    """

    steps: Sequence[Step]
    upstream: Upstream
    spawn: Spawn
    logger: Logger
    keepalive: float = 10.0
    cancel_on_leave: bool = True
    leave_seconds: float = 120.0

    @asynccontextmanager
    async def lifespan(self, services: Sequence[Services]) -> AsyncIterator[None]:
        """
        Open every plugin in order, each with services of its own; close in reverse.

        Raises:
            StartError: One of them cannot be opened.
        """
        async with lifespans(self.steps, services, self.logger):
            yield

    async def models(self, context: Context) -> Sequence[Model]:
        """What `/v1/models` lists."""
        found: Sequence[Model] = ()
        for step in self.steps:
            found = await step.models(context, found, self.logger)
        return found

    def in_use(self) -> AbstractContextManager[None]:
        """Whoever opened its plugins decides how long they are."""
        return nullcontext()

    async def chat(self, call: Call, context: Context) -> str:
        """
        The chat that a request names, or "".

        Raises:
            Reject: It is named in a way that cannot be.
        """
        for step in self.steps:
            if step.knows_chats and (chat := step.chat(call, self.logger)):
                return chat
        return ""

    async def begin(self, call: Call, context: Context) -> Exchange:
        """
        Prepare a request and start to ask Letta.

        Raises:
            Reject: A plugin answers with an error; those above it have undone their part.
        """
        logger = self.logger.bind(request_id=context.request_id)
        turns = [step.begin(context, logger) for step in self.steps]
        call = await self._prepare(call, turns)
        left = [turn for turn in turns if not turn.is_done]
        asked = Asked(self.upstream, call, left)
        return Exchange(
            call=call,
            turns=left,
            segment=self._segments(asked, turns, context),
            asked=asked,
            clock=context.clock,
            keepalive=self.keepalive,
            cancel_on_leave=self.cancel_on_leave,
            leave_seconds=self.leave_seconds,
            spawn=self.spawn,
            logger=logger,
        )

    async def _prepare(self, call: Call, turns: Sequence[Guarded]) -> Call:
        begun: list[Guarded] = []
        try:
            for turn in turns:
                begun.append(turn)
                call = await turn.prepare(call)
        except BaseException:
            async with AsyncExitStack() as undo:  # all of them, also if it is cancelled meanwhile
                for turn in begun:
                    undo.push_async_callback(turn.abandon)
            raise
        return call

    def _segments(self, asked: Asked, turns: Sequence[Guarded], context: Context) -> Segment:
        """One segment of turns between any two plugins that take the flow themselves."""
        reader = Reader(aiter(asked), context.clock, asked.shortcut)
        above = len(turns)
        for i in reversed(range(len(turns))):
            if self.steps[i].wraps and not turns[i].passed_by:
                below = self._segment(reader, turns[i + 1 : above], context)
                flow = Wrapped(self.steps[i].plugin, below, context, turns[i])
                reader = Reader(aiter(flow), context.clock)
                above = i + 1
        return self._segment(reader, turns[:above], context)

    def _segment(self, reader: Reader, turns: Sequence[Guarded], context: Context) -> Segment:
        return Segment(reader, Chain(turns), context.clock, self.logger)


@attrs.define
class _Open:
    """A plugin's lifespan. How it closes is its own matter: the others close all the same."""

    step: Step
    services: Services
    logger: Logger
    _lifespan: AbstractAsyncContextManager[None] = attrs.field(init=False)

    async def __aenter__(self) -> None:
        with _starting(self.step):
            self._lifespan = self.step.plugin.lifespan(self.services)
            await self._lifespan.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        cancels = current_task().cancelling()
        try:
            await self._lifespan.__aexit__(kind, exc, traceback)
        except CONTAINED as raised:
            if current_task().cancelling() > cancels:
                raise
            if raised is not exc:
                self.step.tally.failures += 1
                text = "plugin {} failed when it was closed"
                self.logger.opt(exception=raised).error(text, self.step.id)


@contextmanager
def _starting(step: Step) -> Iterator[None]:
    """Whatever keeps a plugin from its start is told with its name."""
    cancels = current_task().cancelling()
    try:
        yield
    except CONTAINED as exc:
        if current_task().cancelling() > cancels:
            raise
        why = str(exc) if isinstance(exc, StartError) else f"{type(exc).__name__}: {exc}"
        raise StartError(f"The plugin '{step.id}' cannot start: {' '.join(why.split())}") from exc
