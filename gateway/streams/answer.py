"""What a surface reads: an answer, whoever else may read it too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Protocol, Self

from gateway.call import Call
from gateway.events import Event


class Answer(Protocol):
    """
    The part of an `Exchange` that surfaces use.

    `async for` gives its batches, an empty one after some silence; `async with` puts it away.
    """

    @property
    def call(self) -> Call:
        """The request, as the plugins have prepared it."""

    @property
    def unmet(self) -> str:
        """The field that the answer does not meet, or ""; known before anything is shown."""

    def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
