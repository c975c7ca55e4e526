"""Connections come in by handfuls, and to the worker that has the fewest.

uvloop takes one connection each time round its loop. Streams make that a long way, so that new
clients would queue at a gateway which could well answer them, or could tell them that it is
full.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Protocol

import attrs
from aiohttp import web


if TYPE_CHECKING:
    from loguru import Logger

# Taken each time round the loop.
HANDFUL = 8

# A worker with so many more connections than another lets that one go first, for so long.
MORE = 2
COURTESY_SECONDS = 0.02

# When there are no files left for connections, some may be closed in this time.
NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
NO_FILES_SECONDS = 0.5


class Others(Protocol):
    """What this worker and the others tell each other of their connections."""

    def has(self, connections: int) -> None:
        """This one has so many."""

    def fewest(self) -> int | None:
        """The fewest that another has; None if no other takes any."""

    def leave(self) -> None:
        """This one takes no more."""


@attrs.define(eq=False)
class Door:
    """
    Lets connections in from `listening` to `server`, while its block lasts.

    It is closed at the end, also if other processes have the same socket.
    """

    listening: socket.socket
    server: web.Server
    logger: Logger
    others: Others | None = None
    _entering: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)
    _pause: asyncio.TimerHandle | None = attrs.field(init=False, default=None)
    _waited: bool = attrs.field(init=False, default=False)

    async def __aenter__(self) -> None:
        if self.others is not None:
            self.others.has(0)
        self._open()

    async def __aexit__(self, *_: object) -> None:
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self.listening)
        self.listening.close()
        if self.others is not None:
            self.others.leave()
        if self._entering:
            await asyncio.wait(self._entering)

    def _open(self) -> None:
        asyncio.get_running_loop().add_reader(self.listening, self._knocked)

    def _knocked(self) -> None:
        for _ in range(HANDFUL):
            if self._lets_others():
                self._waited = True
                self._wait(COURTESY_SECONDS)
                return
            if not self._let_in():
                break
        self._waited = False

    def _lets_others(self) -> bool:
        """Whether another worker goes first. Not twice running: it may have stopped."""
        if self.others is None:
            return False
        mine = len(self.server.connections) + len(self._entering)
        self.others.has(mine)
        fewest = self.others.fewest()
        return not self._waited and fewest is not None and mine >= fewest + MORE

    def _let_in(self) -> bool:
        """Whether there was somebody."""
        try:
            connection, _ = self.listening.accept()
        except OSError as exc:
            self._keeps_out(exc)
            return False
        task = asyncio.create_task(self._enter(connection))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        return True

    def _keeps_out(self, exc: OSError) -> None:
        if exc.errno in NO_FILES:
            self.logger.error("no connection can be taken: {}", exc.strerror)
            self._wait(NO_FILES_SECONDS)

    async def _enter(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(self.server, connection)
        except OSError:
            connection.close()  # it has gone in the meantime

    def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.listening)
        self._pause = loop.call_later(seconds, self._open)
