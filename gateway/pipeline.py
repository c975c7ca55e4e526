"""The pipeline of a running gateway: its steps, their lifespans, and the way in.

Requests go down the steps' list, events come up it. The same pipeline serves every
surface; `begin` is the only way to an answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from gateway.asked import Asked, Upstream
from gateway.call import Call, Model
from gateway.chain import Chain
from gateway.errors import Reject, StartError
from gateway.events import Event
from gateway.exchange import Exchange, Segment
from gateway.guard import Guarded, Tally
from gateway.plugin import Plugin, Turn
from gateway.reader import Reader
from gateway.services import Context, Services, Spawn
from gateway.wrapped import Wrapped


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

    def begin(self, context: Context, logger: Logger) -> Guarded:
        """Its turn for one request, guarded."""
        try:
            turn = self.plugin.begin(context)
            if not isinstance(turn, Turn):
                raise TypeError(f"begin() gave {type(turn).__name__} and not a Turn")
        except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
            guarded = self._guarded(Turn(), logger)
            guarded.pass_by(exc)
            return guarded
        return self._guarded(turn, logger)

    async def models(
        self, context: Context, found: Sequence[Model], logger: Logger
    ) -> Sequence[Model]:
        """What the plugin makes of the models found above it."""
        try:
            models = await self.plugin.models(context, found)
            if not all(isinstance(model, Model) for model in models):
                raise TypeError("models() gave something that is not a Model")
            return models
        except Reject:
            raise
        except Exception as exc:  # noqa: BLE001
            self._guarded(Turn(), logger).pass_by(exc)
            return found

    def _guarded(self, turn: Turn, logger: Logger) -> Guarded:
        return Guarded(self.id, turn, self.bypass, self.tally, logger)


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
        async with AsyncExitStack() as stack:
            for step, own in zip(self.steps, services, strict=True):
                with _starting(step):
                    await stack.enter_async_context(step.plugin.lifespan(own))
            yield

    async def models(self, context: Context) -> Sequence[Model]:
        """What `/v1/models` lists."""
        found: Sequence[Model] = ()
        for step in self.steps:
            found = await step.models(context, found, self.logger)
        return found

    async def begin(self, call: Call, context: Context) -> Exchange:
        """
        Prepare a request and start to ask Letta.

        Raises:
            Reject: A plugin answers with an error; those above it have undone their part.
        """
        logger = self.logger.bind(request_id=context.request_id)
        turns = [step.begin(context, logger) for step in self.steps]
        call = await self._prepare(call, turns)
        asked = Asked(self.upstream, call, turns)
        return Exchange(
            call=call,
            turns=turns,
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
        async with AsyncExitStack() as undo:
            for turn in turns:
                undo.push_async_callback(turn.abandon)
                call = await turn.prepare(call)
            undo.pop_all()
        return call

    def _segments(self, asked: Asked, turns: Sequence[Guarded], context: Context) -> Segment:
        """One segment of turns between any two plugins that take the flow themselves."""
        source = aiter(asked)
        above = len(turns)
        for i in reversed(range(len(turns))):
            if self.steps[i].wraps and not turns[i].passed_by:
                below = self._segment(source, turns[i + 1 : above], context)
                source = aiter(Wrapped(self.steps[i].plugin, below, context, turns[i]))
                above = i + 1
        return self._segment(source, turns[:above], context)

    def _segment(
        self,
        source: AsyncGenerator[Sequence[Event], None],
        turns: Sequence[Guarded],
        context: Context,
    ) -> Segment:
        reader = Reader(source, context.clock)
        return Segment(reader, Chain(turns), context.clock, self.logger)


@contextmanager
def _starting(step: Step) -> Iterator[None]:
    """Whatever keeps a plugin from its start is told with its name."""
    try:
        yield
    except Exception as exc:
        why = str(exc) if isinstance(exc, StartError) else f"{type(exc).__name__}: {exc}"
        raise StartError(f"The plugin '{step.id}' cannot start: {' '.join(why.split())}") from exc
