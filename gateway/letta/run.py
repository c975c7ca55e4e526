"""One run at Letta: asked, read as events, cancelled by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import httpx
from letta_client import APIConnectionError, APIStatusError

from gateway.call import Agent, Call
from gateway.events import Error, Event
from gateway.letta import failures
from gateway.letta.decode import Decoder, Frame, as_text, calls_of, field_of, word
from gateway.letta.frames import BrokenFrame, FrameStream
from gateway.letta.pieces import Piece
from gateway.letta.restore import Restorer, Said
from gateway.letta.resume import Lasting
from gateway.letta.sdk import Client
from gateway.letta.wire import bodies_of, path_of


if TYPE_CHECKING:
    from loguru import Logger

# Letta sends the first ping, which carries the run id, at once; a loaded server takes longer.
RUN_ID_SECONDS = 30.0
CANCEL_SECONDS = 10.0


class Tape(Protocol):
    """Takes the bytes of one stream as they come."""

    def feed(self, chunk: bytes) -> None:
        """Some more of them. Does not wait and does not fail."""


class Recorder(Protocol):
    """Keeps what Letta streams."""

    def keeping(
        self, agent: Agent | None, path: str, body: Mapping[str, Any]
    ) -> AbstractContextManager[Tape | None]:
        """A tape for the answer to this request; it is complete when the block is left."""


@attrs.frozen
class Shortcut:
    """The next batches of a run, straight from its stream."""

    stream: FrameStream
    decoder: Decoder

    async def read(self) -> list[Event] | None:
        """
        The events of one read; None when the iteration has to go on, which gives the ending.

        May be cancelled: nothing is lost by it.
        """
        while (frames := await self.stream.read()) is not None:
            if batch := self.decoder.read(frames):
                return batch
        return None


@attrs.define
class LettaRun:
    """
    The answer to one call, as batches of events: one per read of the socket.

    Nothing is sent before it is iterated, and it is never sent twice.
    """

    client: Client
    call: Call
    read_seconds: float
    logger: Logger
    recorder: Recorder | None = None
    lasting: Lasting | None = None
    run_id: str | None = attrs.field(init=False, default=None)
    _decoder: Decoder = attrs.field(init=False)
    _known: asyncio.Event | None = attrs.field(init=False, default=None)
    _cancelled: bool = attrs.field(init=False, default=False)
    _sent: bool = attrs.field(init=False, default=False)
    _over: bool = attrs.field(init=False, default=False)
    _told: bool = attrs.field(init=False, default=False)
    _kept: bool = attrs.field(init=False, default=False)
    _restorer: Restorer | None = attrs.field(init=False, default=None)
    _stream: FrameStream | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        agent = self.call.agent
        offered = frozenset(tool.name for tool in self.call.offered)
        parallel = agent is None or (agent.parallel_tools and not agent.older)
        self._decoder = Decoder(offered, parallel=parallel, whole=not self.call.stream)
        if agent is not None and agent.older and self.call.streaming == "tokens":
            self._restorer = Restorer(self._stored, self.call.escaped)

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        decoder = self._decoder
        try:
            async with aclosing(self._frames()) as reads:
                async for frames in reads:
                    batch = decoder.read(frames)
                    frames.clear()  # those below hold it for as long as this waits
                    if batch:
                        yield await self._completed(batch)
        except (APIConnectionError, APIStatusError, httpx.HTTPError, BrokenFrame) as exc:
            decoder.fail(self._error(exc))
            await self._cancel_run()  # nobody reads it any more, and a retry may follow
        finally:
            self._over = True
            self._is_known()
        if decoder.unknown:
            self.logger.debug("unknown message types from Letta: {}", decoder.unknown)
        yield await self._completed(list(decoder.end()))

    def shortcut(self) -> Shortcut | None:
        """
        A way to the next batches past the iteration, while that waits where it gave the last.

        None while there is more to do than to read: before the run's id is known, where
        something has to be asked about what is read, and where it may be read on elsewhere.
        """
        stream, more = self._stream, self._restorer or (self._kept and self.lasting)
        if stream is None or stream.body is None or self.run_id is None or more:
            return None
        return Shortcut(stream, self._decoder)

    def keep(self) -> None:
        """It is to outlive a connection to Letta that breaks, where Letta can do that."""
        self._kept = True

    async def cancel(self) -> None:
        """
        Cancel the run, once its id is known. Letta sees it at the model's next chunk.

        Always by the run's id: without one Letta cancels the run of another conversation.
        """
        self._cancelled = True
        if not self._sent or self.call.agent is None:
            return
        try:
            async with asyncio.timeout(RUN_ID_SECONDS):
                await self._until_known()
        except TimeoutError:
            self.logger.warning("a run could not be cancelled: its id is not known")
        if not self._over:
            await self._cancel_run()

    async def _until_known(self) -> None:
        """Wait for the run's id, or the end."""
        if self.run_id is None and not self._over:
            self._known = self._known or asyncio.Event()
            await self._known.wait()

    def _is_known(self) -> None:
        if self._known is not None:
            self._known.set()

    async def _cancel_run(self) -> None:
        if self.run_id is None or self.call.agent is None or self._told:
            return
        self._told = True
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                cancel = self.client.agents.messages.cancel
                await cancel(self.call.agent.id, run_ids=[self.run_id])
        except (TimeoutError, APIConnectionError, APIStatusError) as exc:
            self._told = False
            self.logger.warning("run {} could not be cancelled: {}", self.run_id, exc)

    async def _frames(self) -> AsyncGenerator[list[Piece | Frame], None]:
        call = self.call
        if self._given_up():
            return
        if call.agent is None or call.conversation is None:
            self._decoder.fail(failures.nowhere())
            return
        if _has_only_results(call):
            self._decoder.fail(failures.not_taken())
            return
        path = path_of(call.agent, call.conversation)
        *before, body = bodies_of(call, call.agent)
        for each in before:
            if refused := await self._refused(path, each):
                yield refused
                return
        if self._given_up():
            return
        self._sent = True
        async with aclosing(self._asked(path, body)) as reads:
            async for frames in reads:
                if self.run_id is None:
                    self._learn(frames)
                yield frames

    def _given_up(self) -> bool:
        """Whether it was cancelled before the message was sent."""
        if self._cancelled:
            self._decoder.fail(failures.from_stop_reason("cancelled", rolled_back=True))
        return self._cancelled

    def _asked(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[list[Piece | Frame], None]:
        if self._kept and self.lasting is not None:
            return self.lasting.read(self._posted, path, body)
        return self._posted(path, body)

    async def _posted(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[list[Piece | Frame], None]:
        response = await self.client.open("POST", path, body)
        stream = FrameStream(cast_to=object, response=response, client=self.client)
        recorder, agent = self.recorder, self.call.agent
        recording = nullcontext() if recorder is None else recorder.keeping(agent, path, body)
        async with stream:
            with recording as tape:
                stream.copy = None if tape is None else tape.feed
                self._stream = stream
                async for frames in stream:
                    yield frames

    async def _refused(self, path: str, body: Mapping[str, Any]) -> list[Piece | Frame]:
        """Send what must come before; the frames that say why Letta does not take it."""
        async with aclosing(self._posted(path, body)) as reads:
            frames = [frame async for batch in reads for frame in batch]
        errors = {"error", "llm_api_error"}
        return frames if errors & {_said(frame, "stop_reason") for frame in frames} else []

    async def _completed(self, batch: list[Event]) -> list[Event]:
        return batch if self._restorer is None else await self._restorer.complete(batch)

    async def _stored(self) -> Said:
        """What Letta has stored of this run."""
        if self.run_id is None:
            return Said()
        messages: list[Any] = []
        seen: set[tuple[str, str | None]] = set()
        try:
            async for message in self.client.runs.messages.list(
                self.run_id, order="asc", limit=100
            ):
                part = (message.id, message.message_type)
                if part in seen:
                    break  # the server does not page: it would go on for ever
                seen.add(part)
                messages.append(message)
        except (APIConnectionError, APIStatusError) as exc:
            self.logger.warning("the stored messages of {} cannot be read: {}", self.run_id, exc)
        return said_of(messages)

    def _learn(self, frames: list[Piece | Frame]) -> None:
        runs = (_said(frame, "run_id") for frame in frames)
        self.run_id = next((run for run in runs if run), None)
        if self.run_id is not None:
            self._is_known()

    def _error(self, exc: Exception) -> Error:
        match exc.__cause__ if isinstance(exc, APIConnectionError) else exc:
            case APIStatusError(status_code=status, body=body):
                return failures.from_status(status, body)
            case httpx.ReadTimeout() | httpx.WriteTimeout():
                return failures.timed_out(self.read_seconds)
            case BrokenFrame():
                return failures.incomplete(str(exc))
            case cause if isinstance(cause, failures.NOT_SENT):
                return failures.unreachable(failures.reason(cause))
        return failures.incomplete()


def _said(frame: Piece | Frame, field: str) -> str:
    """What a frame has in this field, if that is text."""
    return word(field_of(frame, field))


def _has_only_results(call: Call) -> bool:
    """Whether there are results of tool calls that no plugin has taken, and nothing else."""
    nothing = not call.input and not call.answers
    return nothing and any(message.role == "tool" for message in call.messages)


def said_of(messages: Sequence[Any]) -> Said:
    """The texts of stored messages, and the arguments of calls that wait for a client."""
    texts = {m.id: as_text(m.content) for m in messages if m.message_type == "assistant_message"}
    asking = [m.model_dump() for m in messages if m.message_type == "approval_request_message"]
    calls = [call for frame in asking for call in calls_of(frame)]
    return Said(texts, {word(c.get("tool_call_id")): word(c.get("arguments")) for c in calls})
