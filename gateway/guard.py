"""Isolation, written once, around every turn: a failing plugin never takes the gateway along.

What a failure means is the operator's choice, `on_failure`. `fail` ends the request in a
clean error that names the plugin and nothing else. `bypass` logs once, lets go what the
turn held, and from then on events pass by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from gateway.call import Call
from gateway.errors import GatewayError, Reject
from gateway.events import ENDINGS, EVENTS, Error, Event
from gateway.plugin import Turn


if TYPE_CHECKING:
    from loguru import Logger

CLOSING_SECONDS = 5.0


@attrs.define
class Tally:
    """What one plugin has done since the process started."""

    events_in: int = 0
    events_out: int = 0
    seconds: float = 0.0
    failures: int = 0


@attrs.define
class Guarded:
    """A turn of the plugin `name`, and what becomes of the request when it fails."""

    name: str
    turn: Turn
    bypass: bool
    tally: Tally
    logger: Logger
    timed: bool = attrs.field(init=False)
    passed_by: bool = attrs.field(init=False, default=False)
    _flushed: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.timed = type(self.turn).due is not Turn.due

    async def prepare(self, call: Call) -> Call:
        """As the turn's; a failure is a `Reject`, or the call as it was."""
        try:
            prepared = await self.turn.prepare(call)
            if not isinstance(prepared, Call):
                # Its text goes into the log, so it tells the type alone: a value holds messages.
                raise TypeError(f"prepare() gave {type(prepared).__name__} and not a Call")
        except Reject:
            raise
        except Exception as exc:  # noqa: BLE001  any failure of a plugin is contained here
            self.pass_by(exc)
            return call
        return prepared

    def feed(self, event: Event) -> list[Event]:
        """What goes on to the client's side; an ending always brings an ending."""
        if self.passed_by:
            return [event]
        out = self._run(self.turn.feed, event)
        if isinstance(event, ENDINGS) and not any(isinstance(each, ENDINGS) for each in out):
            out.append(event)
        return out

    def flush(self) -> list[Event]:
        """What is held, once; nothing the second time."""
        return [] if self.passed_by or self._flushed else self._run(self._flush)

    def due(self) -> float | None:
        """When `release` is to be called."""
        if not self.timed or self.passed_by:
            return None
        try:
            return self.turn.due()
        except Exception as exc:  # noqa: BLE001
            self.note(exc)
            self.timed = False
            return None

    def release(self, now: float) -> list[Event]:
        """What has been held for too long; a turn that still holds it is not asked again."""
        out = self._run(self.turn.release)
        due = self.due()
        if due is not None and due <= now:
            self.logger.warning("plugin {}: release() let nothing go; timer is off", self.name)
            self.timed = False
        return out

    async def again(self, call: Call, error: Error) -> Call | None:
        """As the turn's; a failure asks nothing."""
        if self.passed_by:
            return None
        try:
            again = await self.turn.again(call, error)
            if again is not None and not isinstance(again, Call):
                raise TypeError(f"again() gave {type(again).__name__} and not a Call")
            return again
        except Exception as exc:  # noqa: BLE001
            self.note(exc)
            return None

    async def settle(self) -> Error | None:
        """
        As the turn's, bounded; the error that the client is told if it failed.

        A turn that has failed before is abandoned: it does not know what to persist.
        """
        failed = await self._close(self.turn.abandon if self.passed_by else self.turn.settle)
        return self.error(failed) if failed and not self.bypass else None

    async def abandon(self) -> None:
        """As the turn's, bounded."""
        await self._close(self.turn.abandon)

    def pass_by(self, exc: Exception) -> None:
        """
        It failed before there was anything to hold: from now on events pass by it.

        Raises:
            Reject: The request fails with it.
        """
        self.note(exc)
        self.passed_by = True
        if not self.bypass:
            error = self.error(exc)
            raise Reject(error.status, error.code, error.message) from exc

    def error(self, cause: Exception | None = None) -> Error:
        """The error that ends a request whose plugin failed."""
        if isinstance(cause, GatewayError):
            return Error(cause.status, cause.type, cause.code, cause.public)
        message = f"The plugin '{self.name}' failed."
        return Error(500, "server_error", "plugin_failed", message)

    def _run(self, work: Callable[..., Iterable[Event]], *event: Event) -> list[Event]:
        tally, out = self.tally, list[Event]()
        started = time.perf_counter()
        try:
            for passed in work(*event):
                if type(passed) not in EVENTS:
                    raise TypeError(f"it gave {type(passed).__name__} and not an event")
                out.append(passed)
        except Exception as exc:  # noqa: BLE001
            self._failed(exc, out, *event)
        tally.seconds += time.perf_counter() - started
        tally.events_in += len(event)
        tally.events_out += len(out)
        return out

    def _failed(self, exc: Exception, out: list[Event], *event: Event) -> None:
        self.note(exc)
        self.passed_by = True
        if not self.bypass:
            out.append(self.error())
            return
        if not self._flushed:
            with suppress(Exception):  # the failure is noted; what can be had is let go
                out.extend(held for held in self._flush() if type(held) in EVENTS)
        out.extend(fed for fed in event if not any(passed is fed for passed in out))

    def _flush(self) -> Iterable[Event]:
        self._flushed = True
        return self.turn.flush()

    async def _close(self, work: Callable[[], Awaitable[None]]) -> Exception | None:
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await work()
        except Exception as exc:  # noqa: BLE001
            self.note(exc)
            return exc
        return None

    def note(self, exc: Exception) -> None:
        """Count and log a failure."""
        self.tally.failures += 1
        choice = "bypass" if self.bypass else "fail"
        self.logger.opt(exception=exc).error("plugin {} failed, on_failure: {}", self.name, choice)
