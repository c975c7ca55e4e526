"""One message's answer on its way to a socket, or the rest of one that was left."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import attrs

from gateway.call import Agent
from gateway.errors import GatewayError, Reject
from gateway.events import Error, Event
from gateway.live import Generation
from gateway.pipeline.exchange import BROKEN
from gateway.services import Caller, Clock, Context
from gateway.streams import Stream, Streams
from gateway.streams.kept import Keep, error_of
from gateway.surfaces.answer_headers import noted
from gateway.surfaces.native.chats import Chats
from gateway.surfaces.native.own_agents import OwnAgents
from gateway.surfaces.native.request import Manner
from gateway.surfaces.native.shown import text_of
from gateway.surfaces.native.streams import check_surface
from gateway.surfaces.websocket import phases
from gateway.surfaces.websocket.heard import Message, Resume
from gateway.surfaces.websocket.phases import Frame, Phases
from gateway.web.capacity import Capacity, Full
from gateway.web.request import Asking
from gateway.web.running import Running


if TYPE_CHECKING:
    from loguru import Logger

SURFACE = "websocket"

Send: TypeAlias = Callable[[Frame], Awaitable[None]]
Batches: TypeAlias = AsyncGenerator[Sequence[Event], None]


@attrs.frozen
class Desk:
    """What answers are made with; all sockets share it."""

    current: Callable[[], Generation]
    streams: Streams
    chats: Chats
    agents: OwnAgents
    running: Running
    capacity: Capacity
    clock: Clock
    logger: Logger

    def asking(self, caller: Caller) -> Asking:
        """One message: its id, and its line in the log."""
        request_id = secrets.token_hex(12)
        context = Context(request_id, self.clock, caller, SURFACE)
        return Asking(context, self.current(), {}, self.logger.bind(request_id=request_id))


@attrs.define
class Answering:
    """
    Sends one answer; whatever goes wrong is told in it.

    `take` says whether a stream is this answer's to read: on one socket it is read once.
    """

    desk: Desk
    caller: Caller
    send: Send
    take: Callable[[str], bool]
    asking: Asking = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.asking = self.desk.asking(self.caller)

    async def message(self, said: Message) -> None:
        """Start the agent's answer, and send it."""
        self.asking.note(model=said.call.model, stream=said.streamed)
        named = bool(said.agent_id or said.agent_name)
        told = Phases(
            secrets.token_hex(16),
            said.manner,
            Agent(said.agent_id, said.agent_name, "") if named else None,
        )
        with self._logged():
            error = await self._tried(partial(self._roomy, said, told))
            if error is not None and said.streamed:
                await self._failed(told, error)
            elif error is not None:
                await self.send(_refusal(told, error))

    async def resume(self, wanted: Resume) -> None:
        """Send the rest of an answer."""
        self.asking.note(stream_id=wanted.id, resumed=wanted.after)
        with self._logged():
            error = await self._tried(partial(self._resume, wanted))
            if error is not None:
                await self.send(phases.error(error.code, error.message, id=wanted.id))

    async def _roomy(self, said: Message, told: Phases) -> None:
        # Only what is new needs room: an answer that is taken up again has its own already.
        with self.desk.capacity.room("/ws"):
            await self._message(said, told)

    async def _message(self, said: Message, told: Phases) -> None:
        start = self.desk.streams.start(
            self.asking.answers, said.call, self.asking.context, Keep(facts=said.manner.facts)
        )
        async with await start as stream:
            told.id = stream.id
            self.asking.note(stream_id=stream.id)
            if not self.take(stream.id):
                return
            await self._prepared(stream, said)
            batches = self._noting(stream, said)
            if said.streamed:
                await self._stream(stream, batches, told)
            else:
                await self._whole(stream, batches, told)

    async def _resume(self, wanted: Resume) -> None:
        resume = self.desk.streams.resume(
            wanted.id, self.caller, self.asking.answers, after=wanted.after
        )
        async with await resume as stream:
            check_surface(stream.head.surface)
            if not self.take(stream.id):
                return
            manner = Manner.of(stream.head.facts)
            told = Phases(stream.id, manner, stream.call.agent, stream.number)
            told.seen(stream.before)
            left = list(told.rest())
            await self._stream(stream, aiter(stream), told)
            for frame in left:
                await self.send(frame)

    async def _prepared(self, stream: Stream, said: Message) -> None:
        """Wait for where it takes place, but not for ever; a refusal comes as its ending, too."""
        try:
            await stream.prepared(self.asking.answers.keepalive)
        except Reject as exc:
            self.desk.agents.heard(said.call.model, exc.code)

    async def _noting(self, stream: Stream, said: Message) -> Batches:
        """The stream's batches; where it takes place is noted when it has begun."""
        begun = False
        async for batch in stream:
            if batch and not begun:
                begun = True
                noted(stream, self.asking)
                await self.desk.chats.note(self.caller, said.manner.chat, said.title, stream.call)
            if batch and isinstance(ending := batch[-1], Error):
                self.desk.agents.heard(said.call.model, ending.code)
            yield batch

    async def _stream(self, stream: Stream, batches: Batches, told: Phases) -> None:
        told.agent = stream.call.agent or told.agent
        if not told.number:
            await self.send(told.start())
        async for batch in batches:
            told.agent = stream.call.agent or told.agent
            for frame in told.encode(batch):
                await self.send(frame)
            self.asking.sent(batch)

    async def _whole(self, stream: Stream, batches: Batches, told: Phases) -> None:
        events = [event async for batch in batches for event in batch]
        self.asking.sent(events)
        told.agent = stream.call.agent or told.agent
        ending = events[-1]
        if isinstance(ending, Error):
            await self.send(_refusal(told, ending))
            return
        await self.send(phases.whole(told.id, told.manner, told.agent, text_of(events)))

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> Error | None:
        """Do it; what went wrong, if it was no fault of the socket's."""
        error = await self._done(work)
        if error is not None:
            self.asking.sent((error,))
        return error

    async def _done(self, work: Callable[[], Awaitable[None]]) -> Error | None:
        try:
            with self.asking.answers.in_use(), self.desk.running.request():
                await work()
        except GatewayError as exc:
            return error_of(exc)
        except ConnectionError:
            raise
        except Exception as exc:  # noqa: BLE001  the client must not wait for ever
            self.asking.logger.opt(exception=exc).error("the answer failed: {!r}", exc)
            return BROKEN
        return None

    async def _failed(self, told: Phases, error: Error) -> None:
        """An error that no stream has, in the phases that clients know."""
        if not told.begun:
            await self.send(told.start())
        for frame in told.of(error, None):
            await self.send(frame)

    @contextmanager
    def _logged(self) -> Iterator[None]:
        try:
            yield
        finally:
            asking = self.asking
            asking.note(key=self.caller.name, ms=asking.elapsed_ms())
            level = "WARNING" if asking.failed else "INFO"
            if asking.facts.get("error") == Full.code:
                level = "DEBUG"  # there may be thousands, and the log has their number
            asking.logger.bind(**asking.facts).log(level, "WS /ws")


def _refusal(told: Phases, error: Error) -> Frame:
    """What is wrong, where a whole answer was asked for."""
    manner = told.manner
    return phases.error(
        error.code, error.message, id=told.id, reply_to=manner.reply_to, session_id=manner.chat
    )
