"""Work that no request waits for: runs being cancelled, scratch conversations deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import attrs


if TYPE_CHECKING:
    from loguru import Logger


@attrs.define
class Background:
    """Keeps a reference to each task, and waits for them all at the end (`limit` seconds)."""

    logger: Logger
    limit: float = 10.0
    _tasks: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start it; a failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limit):
                while self._tasks:  # what ends may have started more
                    await asyncio.wait(self._tasks)
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self.logger.opt(exception=exc).error("work in the background failed")
