"""A plugin at work: how long it keeps the process, what it starts, and that it stops.

Everything runs in one thread, so whatever happens during a step of a plugin is its doing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import attrs

from gateway.services import Spawn


if TYPE_CHECKING:
    from loguru import Logger

T = TypeVar("T")
AnyTask: TypeAlias = asyncio.Task[Any]

# A step that takes longer is told: everybody else's answers wait for it.
BLOCKING_SECONDS = 0.1

# Once its task is cancelled, a plugin may put things away for this long.
CLOSING_SECONDS = 5.0

# What a plugin may raise without taking others along. KeyboardInterrupt is a person's.
CONTAINED = (Exception, SystemExit, asyncio.CancelledError)

# Few plugins start any, and a set for each would take more memory than all else that it has.
NO_TASKS: AbstractSet[AnyTask] = frozenset()

OURS = str(Path(__file__).parents[1]) + os.sep


@attrs.define
class Tally:
    """
    What one plugin has done since the process started.

    `seconds` are those spent on events. `blocked` counts the times that it has kept the
    process for long, `leaked` the tasks that its turns have left behind.
    """

    events_in: int = 0
    events_out: int = 0
    seconds: float = 0.0
    failures: int = 0
    blocked: int = 0
    leaked: int = 0


@attrs.define
class Worker:
    """The plugin `name` at work on one request; `tasks` are those that it has started."""

    name: str
    tally: Tally
    logger: Logger
    tasks: AbstractSet[AnyTask] = attrs.field(init=False, default=NO_TASKS)
    _has_blocked: bool = attrs.field(init=False, default=False)

    def step(
        self,
        work: Callable[..., T],
        *given: object,
        took: Callable[[float], None] | None = None,
    ) -> T:
        """Work that does not wait. `took`, if given, is told how long it takes."""
        before, AT_WORK.worker = AT_WORK.worker, self
        started = time.perf_counter()
        try:
            return work(*given)
        finally:
            AT_WORK.worker = before
            (took or self.took)(time.perf_counter() - started)

    async def run(
        self,
        work: Callable[..., Awaitable[T]],
        *given: object,
        took: Callable[[float], None] | None = None,
    ) -> T:
        """
        Work that waits. `took`, if given, is told how long each of its steps takes.

        Raises:
            CancelledError: The task is cancelled, whatever the plugin makes of that.
            Exception: Whatever the plugin raises.
        """
        task = current_task()
        cancels = task.cancelling()
        try:
            result = await Watched(self.step(work, *given), self, took or self.took)
        except CONTAINED as exc:
            if task.cancelling() > cancels:
                raise self._cancelled(exc) from None
            if not isinstance(exc, Exception):
                raise RuntimeError(f"it raised {type(exc).__name__}") from exc  # noqa: TRY004
            raise
        if task.cancelling() > cancels:
            raise self._cancelled()
        return result

    def _cancelled(self, exc: BaseException | None = None) -> asyncio.CancelledError:
        if isinstance(exc, asyncio.CancelledError):
            return exc
        self.tally.failures += 1
        text = "plugin {} has been cancelled and does not say so: CancelledError has to pass"
        self.logger.opt(exception=exc).error(text, self.name)
        return asyncio.CancelledError()

    def took(self, seconds: float) -> None:
        """A step has kept the process for so long. It is logged once a request."""
        if seconds <= BLOCKING_SECONDS:
            return
        self.tally.blocked += 1
        if not self._has_blocked:
            self._has_blocked = True
            text = "plugin {} has blocked everything for {:.0f} ms: it has to await what takes time"
            self.logger.warning(text, self.name, seconds * 1000)

    def started(self, task: AnyTask) -> None:
        """It has started a task, which is its own until it is done or the request is over."""
        mine = self.tasks if isinstance(self.tasks, set) else set[AnyTask]()
        self.tasks = mine
        mine.add(task)
        task.add_done_callback(mine.discard)

    def leave(self) -> None:
        """The request is over: tell of the tasks that go on."""
        left = [task for task in self.tasks if _goes_on(task)]
        self.tasks = NO_TASKS
        if left:
            self.tally.leaked += len(left)
            text = "plugin {} has left {} running: end it with the turn, or use services.spawn"
            names = ", ".join(sorted(_name(task) for task in left))
            self.logger.warning(text, self.name, names)


@attrs.define
class AtWork:
    """Whose step is running."""

    worker: Worker | None = None


AT_WORK = AtWork()


@attrs.define
class Watched(Generic[T]):
    """
    Awaits as `await` does, and sees each step; `worker` is whose it is, None the gateway's.

    Work whose task is cancelled may catch that to put things away; `CLOSING_SECONDS` later
    it is given up.
    """

    work: Awaitable[T]
    worker: Worker | None
    took: Callable[[float], None]

    def __await__(self) -> Generator[Any, Any, T]:
        patience = _Patience(current_task())
        steps = self.work.__await__()
        resume: Callable[[Any], Any] = steps.send
        value: BaseException | None = None
        try:
            while True:
                before, AT_WORK.worker = AT_WORK.worker, self.worker
                started = time.perf_counter()
                try:
                    waits = resume(value)
                except StopIteration as done:
                    result: T = done.value
                    return result
                finally:
                    AT_WORK.worker = before
                    self.took(time.perf_counter() - started)
                resume, value = steps.send, None
                try:
                    yield waits
                except BaseException as exc:
                    if patience.over:
                        patience.give_up(steps)
                        raise
                    if isinstance(exc, asyncio.CancelledError):
                        patience.begin()
                    resume, value = steps.throw, exc
        finally:
            patience.end()


class _Patience:
    """With work whose task has been cancelled. At its end the task is woken, and it is `over`."""

    __slots__ = ("_cancels", "_task", "_timer", "over")

    def __init__(self, task: AnyTask) -> None:
        self.over = False
        self._task = task
        self._cancels = task.cancelling()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.end()
        self._timer = self._task.get_loop().call_later(CLOSING_SECONDS, self._too_late)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def give_up(self, steps: Generator[Any, Any, Any]) -> None:
        self._task.uncancel()  # it was only to wake it
        with suppress(BaseException):
            steps.throw(GeneratorExit())

    def _too_late(self) -> None:
        if self._task.cancelling() > self._cancels:  # and not by a time limit of the work's own
            self.over = True
            self._task.cancel()


def current_task() -> AnyTask:
    """The task that runs this."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("no task is running")
    return task


def watch_tasks() -> None:
    """
    From now on the running loop's tasks are noted with the plugin that starts them.

    A loop that makes its tasks in a way of its own is left to it.
    """
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make_task)  # type: ignore[arg-type]


def unwatched(spawn: Spawn) -> Spawn:
    """The same, for work that may outlive the request."""

    def run(work: Coroutine[Any, Any, None]) -> None:
        before, AT_WORK.worker = AT_WORK.worker, None
        try:
            spawn(work)
        finally:
            AT_WORK.worker = before

    return run


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
) -> AnyTask:
    task = asyncio.Task(work, loop=loop, **more)
    if AT_WORK.worker is not None:
        AT_WORK.worker.started(task)
    return task


def _goes_on(task: AnyTask) -> bool:
    """Whether it is running, nobody has cancelled it, and it is none of the gateway's own."""
    code = getattr(task.get_coro(), "cr_code", None)
    ours = code is not None and str(code.co_filename).startswith(OURS)
    return not (task.done() or task.cancelling() or ours)


def _name(task: AnyTask) -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_name()))
