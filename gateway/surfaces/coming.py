"""An answer that is being begun, which may take as long as its chat is busy with another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import attrs

from gateway.streams import Answer


@attrs.define
class Coming:
    """
    Begins an answer in a task, so that its client can be told meanwhile that it is waited for.

    `async with` begins it, and puts away what has come of it.
    """

    begin: Coroutine[Any, Any, Answer]
    _task: asyncio.Task[Answer] = attrs.field(init=False)
    _answer: Answer | None = attrs.field(init=False, default=None)

    @property
    def begun(self) -> Answer | None:
        """The answer, once it was waited for."""
        return self._answer

    async def within(self, seconds: float) -> bool:
        """Wait for so long at most; whether it has begun, or cannot."""
        done, _ = await asyncio.wait({self._task}, timeout=seconds)
        return bool(done)

    async def answer(self) -> Answer:
        """
        Wait until it has begun.

        Raises:
            Reject: It cannot.
        """
        self._answer = await asyncio.shield(self._task)
        del self._task  # it would be kept as long as the answer takes
        return await self._answer.__aenter__()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.begin)
        del self.begin  # as below
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._answer is not None:
            await self._answer.__aexit__(kind, exc, traceback)
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled() and self._task.exception() is None:
            async with self._task.result():
                pass  # it had just begun: its client has left
