"""Requests that are being answered, and their end when the gateway cannot wait for them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import cast

import attrs
from aiohttp import web

from gateway.errors import Reject
from gateway.events import Error


@attrs.define
class Running:
    """
    Ends requests by cancelling their tasks, so that streams cost nothing for it.

    A stream that is cancelled asks `called_off`: then it was not the client that has left, and
    there is somebody to tell.
    """

    _tasks: set[asyncio.Task[object]] = attrs.field(init=False, factory=set)
    _called_off: set[asyncio.Task[object]] = attrs.field(init=False, factory=set)
    _over: bool = attrs.field(init=False, default=False)

    def request(self) -> AbstractContextManager[None]:
        """
        The running task answers a request.

        Raises:
            Reject: It was called off, or has come too late.
        """
        if self._over:
            raise _stopping(begun=False)
        return _Request(self)

    def end(self) -> int:
        """Call all of them off; how many there were."""
        if not self._over:
            self._over = True
            self._called_off |= self._tasks
        return self.cut()

    def cut(self) -> int:
        """Do not even wait until those that are left have told their clients; how many."""
        for task in self._tasks:
            task.cancel()
        return len(self._tasks)

    def called_off(self) -> bool:
        """Whether the running task was cancelled by `end`: it may go on to say so, once."""
        task = _this_task()
        if task not in self._called_off:
            return False
        self._called_off.discard(task)
        task.uncancel()
        return True


@attrs.frozen
class _Request:
    """The block of one. A generator in its place would take four times the memory."""

    running: Running

    def __enter__(self) -> None:
        self.running._tasks.add(_this_task())

    def __exit__(self, kind: object, *_: object) -> None:
        running, task = self.running, _this_task()
        off = kind is asyncio.CancelledError and running.called_off()
        running._tasks.discard(task)
        running._called_off.discard(task)
        if off:
            raise _stopping(begun=True) from None


RUNNING = web.AppKey("running", Running)


def stopped() -> Error:
    """The end of a stream that was called off."""
    reject = _stopping(begun=True)
    return Error(reject.status, reject.type, reject.code, reject.message)


def _stopping(*, begun: bool) -> Reject:
    text = "The gateway is stopping. Try again in a moment."
    return Reject(503, "gateway_stopping", text, retry=not begun)


def _this_task() -> asyncio.Task[object]:
    return cast("asyncio.Task[object]", asyncio.current_task())
