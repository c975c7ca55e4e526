"""Leases inside one process: who holds which name, and who waits for it, in order."""

from __future__ import annotations

import asyncio
from collections import deque

import attrs


@attrs.define
class Leases:
    """
    The queues of one process, one for every name that is held.

    A name that nobody holds takes no memory. A holder that never releases keeps its name
    until the process ends, so release in a `finally`.
    """

    _queues: dict[str, deque[asyncio.Future[None]]] = attrs.field(factory=dict, init=False)

    async def lease(self, name: str, *, wait: float, queue: int) -> Held | None:
        """Hold `name`, or None if `queue` others wait or it does not come in `wait` seconds."""
        waiting = self._queues.get(name)
        if waiting is None:
            self._queues[name] = deque()
            return Held(self, name)
        if len(waiting) >= queue:
            return None
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            # Unlike wait_for, this leaves the future alone when the task is cancelled: it
            # still says whether the lease had come by then.
            await asyncio.wait([turn], timeout=wait)
        except BaseException:
            self._leave(name, turn)
            raise
        if turn.done():
            return Held(self, name)
        waiting.remove(turn)
        return None

    def _leave(self, name: str, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self.pass_on(name)
        else:
            self._queues[name].remove(turn)

    def pass_on(self, name: str) -> None:
        """Give `name` to who waits longest, or to nobody."""
        waiting = self._queues[name]
        if waiting:
            waiting.popleft().set_result(None)
        else:
            del self._queues[name]


@attrs.define(eq=False)
class Held:
    """A lease that somebody has."""

    _leases: Leases
    _name: str
    _released: bool = attrs.field(default=False, init=False)

    async def release(self) -> None:
        """Give it to the next in the queue. Doing so twice does nothing."""
        if not self._released:
            self._released = True
            self._leases.pass_on(self._name)
