"""One of several processes: it serves the socket that it was born with.

A line, a pair of sockets, connects it with its parent. At the line's end the parent has died,
and the worker stops as if it were told to. Ctrl-C at a terminal reaches the workers too, and a
supervisor may send SIGTERM to all of them; what counts is what the parent says, so that
nothing is taken for a second signal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Protocol

import attrs

from gateway import logs
from gateway.assemble import assemble
from gateway.config import Config
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.reload import Reloader, Source
from gateway.serve import SIGNALS, Stop, check_letta, listen, run_to_the_end
from gateway.web.running import RUNNING
from gateway.workers.board import AWAY, Board


if TYPE_CHECKING:
    from loguru import Logger

# What a worker says: it serves; or it cannot, and why.
SERVES = b"+"
FAILED = b"-"

# What it is told: let running answers finish; end them; read the configuration anew.
DRAIN = b"d"
END = b"e"
RELOAD = b"r"


# How often a worker writes its numbers down: what it counts between is lost if it is killed.
TELL_SECONDS = 1.0


class Closable(Protocol):
    """Something that is the parent's."""

    def close(self) -> None: ...


@attrs.frozen
class Worker:
    """The worker, in its own process. The `first` of all asks Letta whether it is there."""

    number: int
    source: Source
    config: Config
    logger: Logger
    listening: socket.socket
    line: socket.socket
    board: Board
    first: bool

    def live(self, inherited: Iterable[Closable]) -> NoReturn:
        """Serve, and end the process. What the parent has on its stack is none of its business."""
        status = 1
        try:
            self._leave_home(inherited)
            run_to_the_end(self._serve())
            status = 0
        except GatewayError as exc:
            self._say(FAILED + str(exc).encode(errors="replace"))
        except BaseException as exc:  # noqa: BLE001  nobody is above to tell it to
            self.logger.opt(exception=exc).critical("the worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _leave_home(self, inherited: Iterable[Closable]) -> None:
        """Take nothing along that is the parent's: above all not its ends of others' lines."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *SIGNALS})
        for each in inherited:
            each.close()
        logs.name_worker(self.number)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        # Whatever is heard before it serves, a word or the line's end, it is not needed.
        loop.add_reader(self.line, os._exit, 1)
        metrics = Metrics(self.number, self.board)
        async with (
            assemble(self.config, self.logger, metrics) as gateway,
            _telling(metrics, self.board),
        ):
            if self.first:
                await check_letta(gateway, self.config.letta.base_url)
            stop = Stop(gateway.app[RUNNING], self.logger)
            loop.add_signal_handler(signal.SIGTERM, stop.ask)
            source = attrs.evolve(self.source, watched=False)  # the parent does that
            async with Reloader(source, self.config, gateway.live, self.logger) as reloader:
                loop.add_reader(self.line, self._told, stop, reloader)
                serves = partial(self._say, SERVES)
                await listen(gateway, self.listening, stop, serves, Others(self.number, self.board))

    def _told(self, stop: Stop, reloader: Reloader) -> None:
        told = self.line.recv(64)
        if not told:
            self.logger.error("the parent is gone")
            asyncio.get_running_loop().remove_reader(self.line)
        if RELOAD in told:
            reloader.ask()
        if END in told:
            stop.end()
        elif DRAIN in told or not told:
            stop.ask()

    def _say(self, words: bytes) -> None:
        with suppress(OSError):  # the parent is gone, which shows otherwise
            self.line.sendall(words)


@attrs.frozen
class Others:
    """The workers as one of them sees them at the door."""

    number: int
    board: Board

    def has(self, connections: int) -> None:
        """This one has so many."""
        self.board.has(self.number, connections)

    def fewest(self) -> int | None:
        """The fewest that another has; None if no other takes any."""
        return self.board.fewest(but=self.number)

    def leave(self) -> None:
        """This one takes no more."""
        self.has(AWAY)


@asynccontextmanager
async def _telling(metrics: Metrics, board: Board) -> AsyncIterator[None]:
    """The others are told its numbers when they ask, and in case that it does not end well."""

    async def tell() -> None:
        while True:
            metrics.tell()
            await asyncio.sleep(TELL_SECONDS)

    telling = asyncio.create_task(tell())
    try:
        with board.heeding(metrics.worker, metrics.tell):
            yield
    finally:
        telling.cancel()
        metrics.tell()
