"""The parent of the workers: it starts them, starts them again when they die, and ends them.

The first worker starts alone. Whatever is wrong with Letta, the store or a plugin shows in it,
and is told once; the others follow when it serves.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

from gateway.config import Config
from gateway.counted import bury
from gateway.errors import StartError
from gateway.reload import LOOK_SECONDS, Source, Stamp
from gateway.serve import SIGNALS
from gateway.workers.board import AWAY, Board
from gateway.workers.member import Member, how
from gateway.workers.worker import DRAIN, END, RELOAD, Worker


if TYPE_CHECKING:
    from loguru import Logger

# A worker that has died is started again after this time, which is doubled each time,
SOONEST_SECONDS = 0.5
LATEST_SECONDS = 30.0
# unless it has lived for so long.
STEADY_SECONDS = 60.0

HEARD = (signal.SIGCHLD, signal.SIGHUP, *SIGNALS)


@attrs.define
class Crew:
    """All workers. `ready` is called when they all serve."""

    source: Source
    config: Config
    logger: Logger
    listening: socket.socket
    ready: Callable[[], None]
    _selector: selectors.BaseSelector = attrs.field(init=False, factory=selectors.DefaultSelector)
    _woken: tuple[socket.socket, socket.socket] = attrs.field(init=False, factory=socket.socketpair)
    _board: Board = attrs.field(init=False)
    _members: dict[int, Member] = attrs.field(init=False, factory=dict)
    _due: dict[int, float] = attrs.field(init=False, factory=dict)
    _delays: dict[int, float] = attrs.field(init=False, factory=dict)
    _complete: bool = attrs.field(init=False, default=False)
    _stopping: bool = attrs.field(init=False, default=False)
    _signals: int = attrs.field(init=False, default=0)
    _failure: str = attrs.field(init=False, default="")
    _stamp: Stamp = attrs.field(init=False, default=None)
    _looked: Stamp = attrs.field(init=False, default=None)
    _reloads: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._stamp = self._looked = self.source.first
        self._board = Board(self.config.server.workers)

    def run(self) -> None:
        """
        Until all have ended.

        Raises:
            StartError: One of them did before all of them served.
        """
        with _signals_to(self._woken[1]):
            self._woken[0].setblocking(False)
            self._selector.register(self._woken[0], selectors.EVENT_READ, self._signalled)
            self._start(1)
            while self._members or self._due:
                self._wait()
        if self._failure:
            raise StartError(self._failure)

    def _wait(self) -> None:
        """For a signal, a worker's word, or the time to start one again."""
        due = min(self._due.values(), default=None)
        waits = [] if due is None else [max(0.0, due - time.monotonic())]
        if self.source.watched:
            waits.append(LOOK_SECONDS)
            self._look()
        for key, _ in self._selector.select(min(waits, default=None)):
            key.data()
        for number in [each for each, when in self._due.items() if when <= time.monotonic()]:
            del self._due[number]
            self._start(number)

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()  # what waits there would be written by the worker, too
        sys.stderr.flush()
        with _held_back():
            pid = os.fork()
            if pid == 0:
                first = number == 1 and not self._complete
                worker = Worker(
                    number,
                    self.source,
                    self.config,
                    self.logger,
                    self.listening,
                    theirs,
                    self._board,
                    first=first,
                )
                lines = [member.line for member in self._members.values()]
                worker.live([self._selector, *self._woken, ours, *lines])
        theirs.close()
        ours.setblocking(False)
        born = time.monotonic()
        member = self._members[number] = Member(number, pid, ours, born, self._reloads)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(member))

    def _hear(self, member: Member) -> None:
        served = member.serves
        if not member.hear():
            self._selector.unregister(member.line)
        if member.serves and not served:
            self.logger.bind(worker=member.number, pid=member.pid).info("a worker serves")
            self._tell_of_reload(member)
            self._go_on(member)

    def _go_on(self, member: Member) -> None:
        """With the start, if this was the one that was waited for."""
        if self._complete or self._stopping:
            return
        if member.number == 1:
            for number in range(2, self.config.server.workers + 1):
                self._start(number)
        if all(each.serves for each in self._members.values()):
            self._complete = True
            self.ready()

    def _signalled(self) -> None:
        for number in self._woken[0].recv(4096):
            if number == signal.SIGCHLD:
                self._bury()
            elif number == signal.SIGHUP:
                self._reload()
            else:
                self._further(number)

    def _further(self, number: int) -> None:
        """The first signal lets running answers finish, the second ends them, the third all."""
        self._signals += 1
        match self._signals:
            case 1:
                self._stop()
            case 2:
                for member in self._members.values():
                    member.tell(END)
            case _:
                for member in self._members.values():
                    member.signal(signal.SIGKILL)
                os._exit(128 + number)

    def _look(self) -> None:
        before, self._looked = self._looked, self.source.stamp()
        if self._looked is not None and self._looked == before and before != self._stamp:
            self._stamp = before
            self._reload()

    def _reload(self) -> None:
        """Read the file; if it is right, all workers do, and those that will be started."""
        config = self.source.checked(self.config, self.logger)
        if config is None or self._stopping:
            return
        self.config, self._reloads = config, self._reloads + 1
        for member in self._members.values():
            self._tell_of_reload(member)

    def _tell_of_reload(self, member: Member) -> None:
        """Once it listens to its line."""
        if member.serves and member.reloads != self._reloads:
            member.reloads = self._reloads
            member.tell(RELOAD)

    def _stop(self) -> None:
        """Let all of them finish. Nobody else may knock at the door meanwhile."""
        self._stopping = True
        self._due.clear()
        self.listening.close()
        for member in self._members.values():
            member.tell(DRAIN)

    def _bury(self) -> None:
        for member in list(self._members.values()):
            status = member.ended()
            if status is not None:
                self._ended(member, status)

    def _ended(self, member: Member, status: int) -> None:
        member.hear()
        with suppress(KeyError):
            self._selector.unregister(member.line)
        member.line.close()
        del self._members[member.number]
        self._board.has(member.number, AWAY)
        bury(self._board, member.number)
        logger = self.logger.bind(worker=member.number, pid=member.pid)
        why = member.last_words() or f"It {how(status)}."
        if self._stopping:
            if status and member.serves:
                logger.warning("a worker did not end as it should: {}", why)
        elif self._complete:
            delay = self._due_in(member)
            logger.error("a worker has died, the next one starts in {:g} s: {}", delay, why)
        else:
            self._failure = member.last_words() or f"Worker {member.number} {how(status)}."
            self._stop()

    def _due_in(self, member: Member) -> float:
        """When its place is taken, in seconds."""
        now = time.monotonic()
        last = 0.0 if now - member.born > STEADY_SECONDS else self._delays.get(member.number, 0.0)
        delay = self._delays[member.number] = min(max(SOONEST_SECONDS, 2 * last), LATEST_SECONDS)
        self._due[member.number] = now + delay
        return delay


@contextmanager
def _signals_to(line: socket.socket) -> Iterator[None]:
    """Signals are heard on this line, by their numbers, and do nothing else."""
    line.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in HEARD}
    woken = signal.set_wakeup_fd(line.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait: in a worker that has just been forked they would wake the parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
