"""Runs that outlive the connection they are read on: asked for in the background at Letta.

Letta numbers what a background run says (`seq_id`) and keeps it for some hours, so that one
whose connection broke is read on behind the last number. It needs Redis for that, and reads
from it ten times a second; so only answers that are kept are asked for in this way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import attrs
import httpx
from letta_client import APIConnectionError, APIStatusError

from gateway.letta.decode import Frame, field_of, word
from gateway.letta.frames import BrokenFrame
from gateway.letta.pieces import Piece


if TYPE_CHECKING:
    from loguru import Logger

Frames: TypeAlias = AsyncGenerator[list[Piece | Frame], None]
Post: TypeAlias = Callable[[str, Mapping[str, Any]], Frames]

# Seconds before each attempt to read on; what comes lets them begin anew.
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)

# A run whose server was started anew says nothing more, and Letta pings for ever.
QUIET_SECONDS = 120.0

BROKEN = (APIConnectionError, APIStatusError, httpx.HTTPError, BrokenFrame)
NO_REDIS = "Background streaming requires Redis"


@attrs.define
class Lasting:
    """Whether runs can outlive their connections: `wanted`, until Letta says that it cannot."""

    wanted: bool
    logger: Logger

    async def read(self, post: Post, path: str, body: Mapping[str, Any]) -> Frames:
        """The frames of a run that is asked for so, over as many connections as it takes."""
        if self.wanted:
            try:
                async with aclosing(Steady(post, self.logger).read(path, body)) as reads:
                    async for frames in reads:
                        yield frames
                return
            except APIStatusError as exc:
                if not _without_redis(exc):
                    raise
                self.wanted = False
                self.logger.info("Letta has no Redis: a run ends with its connection")
        async with aclosing(post(path, body)) as reads:
            async for frames in reads:
                yield frames


@attrs.define
class Steady:
    """One run. It is asked for once, and read on wherever its connection breaks."""

    post: Post
    logger: Logger
    _run: str = attrs.field(init=False, default="")
    _seen: int = attrs.field(init=False, default=0)
    _stopped: bool = attrs.field(init=False, default=False)
    _complete: bool = attrs.field(init=False, default=False)
    _lost: bool = attrs.field(init=False, default=False)
    _broken: Exception | None = attrs.field(init=False, default=None)

    async def read(self, path: str, body: Mapping[str, Any]) -> Frames:
        """Its frames, each once. What breaks it for good is raised as it came."""
        reads, pauses = self.post(path, {**body, "background": True}), list(PAUSES)
        while True:
            before = self._seen
            async with aclosing(self._attempt(reads)) as batches:
                async for frames in batches:
                    yield frames
            if self._complete:
                return
            if self._seen > before:
                pauses = list(PAUSES)
            if self._lost or not self._run or not self._seen or not pauses:
                break
            await asyncio.sleep(pauses.pop(0))
            self.logger.info("the connection to Letta broke: run {} is read on", self._run)
            reads = self.post(*self._rest())
        if self._broken is not None:
            raise self._broken

    def _rest(self) -> tuple[str, Mapping[str, Any]]:
        path = f"/v1/runs/{quote(self._run, safe='')}/stream"
        return path, {"starting_after": self._seen, "include_pings": True}

    async def _attempt(self, reads: Frames) -> Frames:
        """What one connection gives."""
        resumed, before = bool(self._run), self._seen
        time = asyncio.get_running_loop().time
        until = time() + QUIET_SECONDS
        try:
            async with aclosing(reads):
                async for frames in reads:
                    yield self._fresh(frames)
                    self._lost = resumed and self._seen == before and time() > until
                    if self._lost:
                        return
            # Usage comes last, if it comes at all.
            self._complete = self._complete or (resumed and self._stopped)
        except BROKEN as exc:
            quiet = resumed and self._seen == before
            self._lost = quiet and _is_final(exc)
            if not quiet or self._broken is None:
                self._broken = exc

    def _fresh(self, frames: Sequence[Piece | Frame]) -> list[Piece | Frame]:
        fresh = [frame for frame in frames if not 0 < _number(frame) <= self._seen]
        for frame in fresh:
            self._run = self._run or word(field_of(frame, "run_id"))
            self._seen = _number(frame) or self._seen
            self._stopped = self._stopped or _kind(frame) == "stop_reason"
            self._complete = self._complete or _is_last(frame)
        return fresh


def _kind(frame: Piece | Frame) -> str:
    return word(field_of(frame, "message_type"))


def _is_last(frame: Piece | Frame) -> bool:
    """Whether nothing follows, or nothing that matters."""
    last = _kind(frame) in {"usage_statistics", "error_message"}
    return last or field_of(frame, "stop_reason") == "cancelled"


def _number(frame: Piece | Frame) -> int:
    number = field_of(frame, "seq_id")
    return number if isinstance(number, int) else 0


def _is_final(exc: Exception) -> bool:
    """Whether it is of no use to read on: Letta does not know the run, or it says nothing."""
    cause = exc.__cause__ if isinstance(exc, APIConnectionError) else exc
    if isinstance(cause, APIStatusError):
        return cause.status_code < 500
    return isinstance(cause, httpx.ReadTimeout)


def _without_redis(exc: APIStatusError) -> bool:
    detail = exc.body.get("detail") if isinstance(exc.body, Mapping) else None
    return exc.status_code == 503 and NO_REDIS in word(detail)
