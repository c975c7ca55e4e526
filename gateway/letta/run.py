"""One run at Letta: asked, read as events, cancelled by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import attrs
import httpx
from letta_client import APIConnectionError, APIStatusError, AsyncLetta

from gateway.call import Call
from gateway.events import Error, Event
from gateway.letta import failures
from gateway.letta.decode import Decoder, as_text
from gateway.letta.frames import BrokenFrame, FrameStream
from gateway.letta.restore import Restorer
from gateway.letta.wire import body_of, path_of


if TYPE_CHECKING:
    from loguru import Logger

# Letta sends the first ping, which carries the run id, at once; a loaded server takes longer.
RUN_ID_SECONDS = 30.0
CANCEL_SECONDS = 10.0


@attrs.define
class LettaRun:
    """
    The answer to one call, as batches of events: one per read of the socket.

    Nothing is sent before it is iterated, and it is never sent twice.
    """

    client: AsyncLetta
    call: Call
    read_seconds: float
    logger: Logger
    run_id: str | None = attrs.field(init=False, default=None)
    _decoder: Decoder = attrs.field(init=False)
    _known: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _cancelled: bool = attrs.field(init=False, default=False)
    _sent: bool = attrs.field(init=False, default=False)
    _over: bool = attrs.field(init=False, default=False)
    _restorer: Restorer | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._decoder = Decoder(frozenset(tool.name for tool in self.call.tools))
        agent = self.call.agent
        if agent is not None and agent.older and self.call.streaming == "tokens":
            self._restorer = Restorer(self._stored, self.call.escaped)

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        decoder = self._decoder
        try:
            async with aclosing(self._frames()) as reads:
                async for frames in reads:
                    batch = [event for frame in frames for event in decoder.feed(frame)]
                    if batch:
                        yield await self._completed(batch)
        except (APIConnectionError, APIStatusError, httpx.HTTPError, BrokenFrame) as exc:
            decoder.fail(self._error(exc))
            await self._cancel_run()  # nobody reads it any more, and a retry may follow
        finally:
            self._over = True
            self._known.set()
        if decoder.unknown:
            self.logger.debug("unknown message types from Letta: {}", decoder.unknown)
        yield await self._completed(list(decoder.end()))

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
                await self._known.wait()
        except TimeoutError:
            self.logger.warning("a run could not be cancelled: its id is not known")
        if not self._over:
            await self._cancel_run()

    async def _cancel_run(self) -> None:
        if self.run_id is None or self.call.agent is None:
            return
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                cancel = self.client.agents.messages.cancel
                await cancel(self.call.agent.id, run_ids=[self.run_id])
        except (TimeoutError, APIConnectionError, APIStatusError) as exc:
            self.logger.warning("run {} could not be cancelled: {}", self.run_id, exc)

    async def _frames(self) -> AsyncGenerator[list[Mapping[str, Any]], None]:
        call = self.call
        if self._cancelled:
            self._decoder.fail(failures.from_stop_reason("cancelled", rolled_back=True))
            return
        if call.agent is None or call.conversation is None:
            self._decoder.fail(failures.nowhere())
            return
        self._sent = True
        stream = await self.client.post(
            path_of(call.conversation),
            body=body_of(call, call.agent, call.conversation),
            cast_to=object,
            stream=True,
            stream_cls=FrameStream,
            options={"follow_redirects": False},  # a message goes to the address that was set
        )
        async with stream:
            async for frames in stream:
                if self.run_id is None:
                    self._learn(frames)
                yield frames

    async def _completed(self, batch: list[Event]) -> list[Event]:
        return batch if self._restorer is None else await self._restorer.complete(batch)

    async def _stored(self) -> Mapping[str, str]:
        """The assistant texts that Letta has stored of this run."""
        texts: dict[str, str] = {}
        seen: set[tuple[str, str | None]] = set()
        if self.run_id is None:
            return texts
        try:
            async for message in self.client.runs.messages.list(
                self.run_id, order="asc", limit=100
            ):
                part = (message.id, message.message_type)
                if part in seen:
                    break  # the server does not page: it would go on for ever
                seen.add(part)
                if message.message_type == "assistant_message":
                    texts[message.id] = as_text(message.content)
        except (APIConnectionError, APIStatusError) as exc:
            self.logger.warning("the stored messages of {} cannot be read: {}", self.run_id, exc)
        return texts

    def _learn(self, frames: list[Mapping[str, Any]]) -> None:
        runs = (frame.get("run_id") for frame in frames)
        self.run_id = next((run for run in runs if run and isinstance(run, str)), None)
        if self.run_id is not None:
            self._known.set()

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
