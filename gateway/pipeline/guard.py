"""Isolation, written once, around every turn: a failing plugin never takes the gateway along.

What a failure means is the operator's choice, `on_failure`. `fail` ends the request in a
clean error that names the plugin and nothing else. `bypass` logs once, lets go what the
turn held, and from then on events pass by it.

A failure is whatever a plugin raises, `SystemExit` and a `CancelledError` of its own
included, and whatever it gives that is no event or stands where it may not. What it only
does badly is told by its name: keeping the process for long, tasks that it leaves behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import attrs

from gateway.call import Call
from gateway.errors import GatewayError, Reject
from gateway.events import (
    ENDINGS,
    Ending,
    Error,
    Event,
)
from gateway.pipeline.order import LAST, TEXTS, Order
from gateway.pipeline.watch import AT_WORK, CLOSING_SECONDS, CONTAINED, Tally, Worker
from gateway.plugin import Turn


if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["Guarded", "Tally"]


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
    worker: Worker = attrs.field(init=False)
    _order: Order = attrs.field(init=False, factory=Order)
    _flushed: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.timed = type(self.turn).due is not Turn.due
        self.worker = Worker(self.name, self.tally, self.logger)

    def begin(self, work: Callable[[], Turn]) -> None:
        """
        Make the turn, in the place of the empty one there is.

        Raises:
            Reject: It failed, and the request with it.
        """
        try:
            turn = self.worker.step(work)
            if not isinstance(turn, Turn):
                raise TypeError(f"begin() gave {type(turn).__name__} and not a Turn")
            self.turn, self.timed = turn, type(turn).due is not Turn.due
        except CONTAINED as exc:
            self.pass_by(exc)

    async def prepare(self, call: Call) -> Call:
        """As the turn's; a failure is a `Reject`, or the call as it was."""
        if type(self.turn).prepare is Turn.prepare:
            return call
        try:
            prepared = await self.worker.run(self.turn.prepare, call)
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
            return self._order.passing(event)
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
        except CONTAINED as exc:
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

    async def again(self, call: Call, ending: Ending) -> Call | None:
        """As the turn's; a failure asks nothing."""
        if self.passed_by:
            return None
        try:
            again = await self.worker.run(self.turn.again, call, ending)
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
        if self.passed_by:
            await self.abandon()
            return None
        failed = await self._close("settle")
        return self.error(failed) if failed and not self.bypass else None

    async def abandon(self) -> None:
        """As the turn's, bounded."""
        await self._close("abandon")

    def pass_by(self, exc: BaseException) -> None:
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

    def error(self, cause: BaseException | None = None) -> Error:
        """The error that ends a request whose plugin failed."""
        if isinstance(cause, GatewayError):
            return Error(cause.status, cause.type, cause.code, cause.public)
        message = f"The plugin '{self.name}' failed."
        return Error(500, "server_error", "plugin_failed", message)

    def _run(self, work: Callable[..., Iterable[Event]], *event: Event) -> list[Event]:
        order, worker, out = self._order, self.worker, list[Event]()
        before, AT_WORK.worker = AT_WORK.worker, worker
        started = time.perf_counter()
        try:
            for passed in work(*event):
                if isinstance(passed, TEXTS) and passed.text and not order.strict:
                    out.append(passed)
                else:
                    order.admit(passed, out, at_end=self._flushed or _is_last(*event))
            if order.strict:
                order.whole()
        except CONTAINED as exc:
            self._failed(exc, out, *event)
        finally:
            AT_WORK.worker = before
        seconds = time.perf_counter() - started
        tally = self.tally
        tally.seconds += seconds
        tally.events_in += len(event)
        tally.events_out += len(out)
        worker.took(seconds)
        return out

    def _failed(self, exc: BaseException, out: list[Event], *event: Event) -> None:
        self.note(exc)
        self.passed_by = True
        if not self.bypass:
            out.append(self.error())
            return
        with suppress(*CONTAINED):  # the failure is noted; what can be had is let go
            for held in () if self._flushed else self._flush():
                self._order.admit(held, out, at_end=True)
        for fed in event:
            if not any(passed is fed for passed in out):
                out += self._order.passing(fed)

    def _flush(self) -> Iterable[Event]:
        self._flushed = True
        return self.turn.flush()

    async def _close(self, how: Literal["settle", "abandon"]) -> Exception | None:
        try:
            if getattr(type(self.turn), how) is not getattr(Turn, how):
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self.worker.run(getattr(self.turn, how))
        except Exception as exc:  # noqa: BLE001
            self.note(exc)
            return exc
        finally:
            self.worker.leave()
        return None

    def note(self, exc: BaseException) -> None:
        """Count and log a failure. What the store or Letta does is told, but not the plugin's."""
        if isinstance(exc, GatewayError):
            self.logger.error("plugin {}: {}", self.name, exc)
            return
        self.tally.failures += 1
        choice = "bypass" if self.bypass else "fail"
        self.logger.opt(exception=exc).error("plugin {} failed, on_failure: {}", self.name, choice)


def _is_last(event: Event | None = None) -> bool:
    return isinstance(event, LAST)
