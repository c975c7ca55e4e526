"""Leases over several processes: this process's places in the lines that Redis keeps."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from gateway.errors import StoreError
from gateway.store.redis_scripts import JOIN, LEAVE, PREFIX, RENEW


if TYPE_CHECKING:
    from collections.abc import Iterator

    from loguru import Logger

T = TypeVar("T")

# A process that died is out of every line after this long; who waits for it looks four
# times in that time, so the next one has the name after 15 seconds at the latest.
LEASE_SECONDS = 12.0

# The longest that one blocking pop waits: less than any sensible socket timeout.
_POP_SECONDS = 2.0


class Server(Protocol):
    """What leases want of Redis. Both raise `StoreError`."""

    async def run(self, script: str, keys: Sequence[bytes], args: Sequence[bytes | int]) -> Any:
        """Run a script; once begun it is finished, also when the caller is cancelled."""

    async def pop(self, key: bytes, *, wait: float) -> bytes | None:
        """Wait for the first element of a list and take it out."""


@attrs.define(eq=False)
class Place:
    """One who wants a name: in the line as holder, or waiting."""

    name: str
    token: bytes
    turn: asyncio.Future[bool]  # True: the name is ours. False: the line was lost.
    renewed: float = attrs.field(factory=time.monotonic)
    joined: bool = False
    lost: bool = False

    def line(self) -> tuple[bytes, bytes]:
        """The two keys of the line it is in."""
        name = self.name.encode("utf-8", "surrogatepass")
        return f"{PREFIX}lane:".encode() + name, f"{PREFIX}beat:".encode() + name


@attrs.define(eq=False)
class RedisLeases:
    """
    What this process holds and waits for.

    One task renews every place, one reads whose turn has come; each runs only while there
    is something for it to do. A token that is not among `_places` is renewed no more, so
    whatever goes wrong on the way, a name is free again after `ttl` seconds.
    """

    _server: Server
    _logger: Logger
    _ttl: float = LEASE_SECONDS
    _client: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False)
    _numbers: Iterator[int] = attrs.field(factory=count, init=False)
    _places: dict[bytes, Place] = attrs.field(factory=dict, init=False)
    _tasks: set[asyncio.Task[Any]] = attrs.field(factory=set, init=False)
    _renewer: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _listener: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    async def lease(self, name: str, *, wait: float, queue: int) -> Held | None:
        """Hold `name`, or None if `queue` others wait or it does not come in `wait` seconds."""
        token = f"{self._client}:{next(self._numbers)}".encode()
        place = Place(name, token, asyncio.get_running_loop().create_future())
        joining = self._start(self._join(place, queue if wait > 0 else 0))
        try:
            if not await asyncio.shield(joining):
                return None
            if not place.turn.done():
                self._listen()
                await asyncio.wait([place.turn], timeout=wait)
        except BaseException:
            self._start(self._leave_when(place, joining))
            raise
        if not place.turn.done():
            await self.leave(place)
            return None
        if not place.turn.result():
            raise StoreError(
                f"The place in the queue for {name} is lost, because Redis was away for too long"
                " or lost its data: ask again."
            )
        return Held(self, place)

    async def leave(self, place: Place) -> None:
        """
        Leave the line, from any place in it. Doing so twice does nothing.

        When Redis does not answer, nothing is raised: the place dies after `ttl` seconds.
        """
        self._places.pop(place.token, None)
        with suppress(StoreError):
            await self._run(LEAVE, place.line(), place.token)

    async def close(self) -> None:
        """Finish what is under way, and stop renewing."""
        for task in (self._renewer, self._listener):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _join(self, place: Place, queue: int) -> bool:
        """Stand in line if there is room, and whether there was."""
        self._places[place.token] = place  # its turn may come before this answer does
        sent = time.monotonic()
        try:
            ahead = await self._run(JOIN, place.line(), place.token, queue)
        except BaseException:
            self._places.pop(place.token, None)
            raise
        if ahead < 0:
            self._places.pop(place.token, None)
            return False
        place.joined, place.renewed = True, sent
        self._renew()
        if ahead == 0:
            self._come(place)
        return True

    async def _leave_when(self, place: Place, joined: asyncio.Task[bool]) -> None:
        """Leave after joining has come to an end, so that it is not overtaken."""
        with suppress(StoreError):  # the place may be in the line all the same
            await joined
        await self.leave(place)

    def _renew(self) -> None:
        if self._renewer is None or self._renewer.done():
            self._renewer = asyncio.create_task(self._keep_renewing())

    async def _keep_renewing(self) -> None:
        while self._places:
            await asyncio.sleep(self._ttl / 4)
            if places := [place for place in self._places.values() if place.joined]:
                await self._renew_once(places)

    async def _renew_once(self, places: Sequence[Place]) -> None:
        sent = time.monotonic()
        keys = [key for place in places for key in place.line()]
        try:
            answers = await self._run(RENEW, keys, *(place.token for place in places))
        except StoreError:
            answers = [None] * len(places)
        for place, ahead in zip(places, answers, strict=True):
            if place.token in self._places:  # else it left in the meantime
                self._judge(place, ahead, sent)

    def _judge(self, place: Place, ahead: int | None, sent: float) -> None:
        """What renewing a place has shown: how many are ahead, -1 if it is gone."""
        if ahead is None:
            if self._overdue(place):
                self._lose(place)
        elif ahead < 0:
            self._lose(place)
            self._take_back(place)
        else:
            place.renewed, place.lost = sent, False
            if ahead == 0:
                self._come(place)

    def _listen(self) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._keep_listening())

    async def _keep_listening(self) -> None:
        inbox = f"{PREFIX}inbox:{self._client}".encode()
        while any(not place.turn.done() for place in self._places.values()):
            try:
                token = await self._server.pop(inbox, wait=_POP_SECONDS)
            except StoreError:
                await asyncio.sleep(self._ttl / 12)
                continue
            place = self._places.get(token or b"")
            # What was said long ago may be true no more; renewing finds that out.
            if place is not None and not self._overdue(place):
                self._come(place)

    def _overdue(self, place: Place) -> bool:
        return time.monotonic() - place.renewed > self._ttl

    def _come(self, place: Place) -> None:
        if not place.turn.done():
            place.turn.set_result(True)

    def _lose(self, place: Place) -> None:
        if not place.turn.done():
            place.turn.set_result(False)
            self._places.pop(place.token, None)
        elif not place.lost:
            place.lost = True
            self._logger.warning(
                "lost the lease of {}: Redis was away for too long, this process stood still,"
                " or Redis lost its data; another may hold it at the same time",
                place.name,
            )

    def _take_back(self, place: Place) -> None:
        """Hold again what nobody else holds by now."""
        if place.token in self._places:
            self._start(self._rejoin(place))

    async def _rejoin(self, place: Place) -> None:
        with suppress(StoreError):
            await self._run(JOIN, place.line(), place.token, 0)
        if place.token not in self._places:  # released in the meantime
            await self.leave(place)

    async def _run(self, script: str, keys: Sequence[bytes], *args: bytes | int) -> Any:
        return await self._server.run(script, keys, [int(self._ttl * 1000), *args])

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do it, whatever becomes of the caller."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@attrs.define(eq=False)
class Held:
    """A lease that somebody has."""

    _leases: RedisLeases
    _place: Place

    async def release(self) -> None:
        """Give it to the next in the queue. Doing so twice does nothing."""
        await self._leases.leave(self._place)
