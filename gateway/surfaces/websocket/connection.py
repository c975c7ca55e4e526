"""One socket: who is there, what is asked, and all that is being answered at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import attrs
from aiohttp import WSMsgType, web

from gateway.errors import GatewayError, Reject
from gateway.json_text import dumps
from gateway.services import Caller
from gateway.surfaces.native.streams import stop
from gateway.surfaces.websocket import phases
from gateway.surfaces.websocket.answering import Answering, Desk
from gateway.surfaces.websocket.heard import Heard, Interrupt, Message, Ping, Resume, Token, hear
from gateway.surfaces.websocket.phases import Frame
from gateway.surfaces.websocket.replies import Replies, Reply


# Nobody talks to so many agents at once.
MOST_ANSWERS = 32

# With keys, who it is must be said within this time.
TOKEN_SECONDS = 10.0

# How long a frame may take that the client does not read.
SEND_SECONDS = 60.0

# Codes of a close, as WebSocket has them; those from 4000 on are for applications.
GOING_AWAY, NOT_TEXT, UNAUTHORIZED = 1001, 1003, 4401


@attrs.define(eq=False)
class Connection:
    """
    A client. `bearer` is its token, or None if it has not said one yet; `cut` ends the connection
    of one that does not read.

    Answers run in tasks of their own; when the socket closes they are left, and their streams
    go on without them, for a while. Interrupts are carried out all the same.
    """

    ws: web.WebSocketResponse
    desk: Desk
    bearer: str | None = attrs.field(repr=False)
    cut: Callable[[], object]
    _tasks: dict[asyncio.Task[None], str] = attrs.field(init=False, factory=dict)
    _interrupts: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)
    _reading: set[str] = attrs.field(init=False, factory=set)
    _replies: Replies = attrs.field(init=False, factory=Replies)
    _sending: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)
    _stopping: bool = attrs.field(init=False, default=False)

    async def run(self) -> None:
        """Until the socket closes."""
        try:
            if await self._known():
                await self._listen()
        finally:
            for task in self._tasks:
                task.cancel()
            if left := [*self._tasks, *self._interrupts]:
                await asyncio.wait(left)

    async def stop(self) -> None:
        """Take nothing new; close the socket as soon as nothing is being answered."""
        self._stopping = True
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        await self.ws.close(code=GOING_AWAY, message=b"The gateway is stopping.")

    async def send(self, frame: Frame) -> None:
        """
        Send a frame.

        Raises:
            ConnectionError: The socket is closed, or nobody reads.
        """
        try:
            # One at a time: else each answer would fill a buffer before it is waited for.
            async with self._sending, asyncio.timeout(SEND_SECONDS):
                await self.ws.send_str(dumps(frame).decode())
        except TimeoutError:
            self.cut()  # it would wait for ever for what it was not sent
            raise ConnectionError("the client does not read") from None

    def caller(self) -> Caller:
        """
        Who it is, as the keys are now.

        Raises:
            Reject: Its key is none of them.
        """
        return self.desk.current().access.known(self.bearer or "")

    async def _known(self) -> bool:
        """With keys, wait until it says who it is; without, it may say so at any time."""
        if self.bearer is not None or not self.desk.current().access.keys:
            return True
        try:
            async with asyncio.timeout(TOKEN_SECONDS):
                heard = await self.ws.receive()
        except TimeoutError:
            await self._unauthorized("The first frame must be {type: 'auth', token: KEY}.")
            return False
        if heard.type != WSMsgType.TEXT:
            await self._not_text()
            return False
        _, said = hear(heard.data)
        return await self._token(said if isinstance(said, Token) else Token(""))

    async def _listen(self) -> None:
        async for heard in self.ws:
            if heard.type != WSMsgType.TEXT:
                await self._not_text()
                return
            fields, said = hear(heard.data)
            try:
                if not await self._act(said):
                    return
            except Reject as exc:
                await self._refuse(fields, exc)
            except ConnectionError:
                return

    async def _act(self, said: Heard | Reject) -> bool:
        """Do what was said; False if that was the end."""
        match said:
            case Reject():
                raise said
            case Token():
                return await self._token(said)
            case Ping():
                await self.send({"type": "pong"})
            case Message():
                reply = Reply()
                task = self._begin(self._answering(reply).message(said))
                task.add_done_callback(reply.over)
                self._replies.expect(said.manner.reply_to, reply)
            case Resume():
                self._begin(self._answering(Reply()).resume(said))
            case Interrupt():
                self._stop(said, self.caller())
        return True

    async def _token(self, said: Token) -> bool:
        known = self.bearer is not None or self._tasks
        if known and self.bearer != said.token:
            text = "Who it is cannot be changed on an open socket. Open another."
            raise Reject(400, "invalid_value", text, param="token")
        try:
            caller = self.desk.current().access.known(said.token)
        except Reject as exc:
            await self._unauthorized(exc.message)
            return False
        self.bearer = said.token
        await self.send({"type": "auth", "key": caller.name})
        return True

    async def _unauthorized(self, why: str) -> None:
        await self.send(phases.error("invalid_api_key", why))
        await self.ws.close(code=UNAUTHORIZED, message=b"invalid_api_key")

    async def _not_text(self) -> None:
        await self.ws.close(code=NOT_TEXT, message=b"Frames are JSON text.")

    def _answering(self, reply: Reply) -> Answering:
        def take(stream_id: str) -> bool:
            reply.found(stream_id)
            if stream_id in self._reading:
                return False
            self._reading.add(stream_id)
            self._tasks[task_of()] = stream_id
            return True

        return Answering(self.desk, self.caller(), self.send, take)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._stopping or len(self._tasks) >= MOST_ANSWERS:
            work.close()
            raise _too_late() if self._stopping else _too_many()
        task = asyncio.create_task(work)
        self._tasks[task] = ""
        task.add_done_callback(self._done)
        return task

    def _stop(self, wanted: Interrupt, caller: Caller) -> None:
        # However many answers there are: they are what is to be stopped.
        if len(self._interrupts) >= MOST_ANSWERS:
            raise _too_many()
        task = asyncio.create_task(self._interrupt(wanted, caller))
        self._interrupts.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._interrupts.discard(task)
        self._reading.discard(self._tasks.pop(task, ""))
        if not task.cancelled() and (exc := task.exception()) is not None:
            # The socket is closed, or will be soon: whoever reads it next is told.
            self.desk.logger.debug("an answer did not reach its socket: {!r}", exc)

    async def _interrupt(self, wanted: Interrupt, caller: Caller) -> None:
        stream_id = await self._replies.stream_of(wanted.id)
        try:
            stood = await stop(self.desk.streams, stream_id, caller)
        except GatewayError as exc:
            await self.send(phases.error(exc.code, exc.public, id=wanted.id))
            return
        await self.send({"type": "interrupted", "id": stream_id, "state": stood.state})

    async def _refuse(self, fields: Mapping[str, Any], exc: Reject) -> None:
        """A frame that cannot be taken, with what tells the client which it was."""
        named = {
            "id" if fields.get("type") != "message" else "reply_to": fields.get("id"),
            "session_id": fields.get("session_id"),
        }
        more = {name: str(value)[:512] for name, value in named.items() if value is not None}
        await self.send(phases.error(exc.code, exc.message, **more))


def task_of() -> asyncio.Task[None]:
    """The running task."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("not in a task")
    return task


def _too_late() -> Reject:
    return Reject(503, "gateway_stopping", "The gateway is stopping. Try again in a moment.")


def _too_many() -> Reject:
    text = f"More than {MOST_ANSWERS} answers at once are too many for one socket."
    return Reject(429, "too_many_answers", text)
