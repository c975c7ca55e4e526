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
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import attrs

from gateway.call import Call
from gateway.errors import GatewayError, Reject
from gateway.events import (
    ENDINGS,
    PIECES,
    Ending,
    Error,
    Event,
)
from gateway.pipeline.order import LAST, TEXTS, Order
from gateway.pipeline.watch import CLOSING_SECONDS, CONTAINED, Tally, Worker
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
    _told: object = attrs.field(init=False, default=Turn.passes)
    _passes: frozenset[type[Event]] = attrs.field(init=False, default=frozenset())

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

    def feed(self, batch: Sequence[Event]) -> list[Event]:
        """
        What goes on to the client's side; an ending always brings one, and nothing follows it.

        Whoever calls it sees to the time that it takes: see `took`.
        """
        if self.passed_by:
            return self._order.past(batch)
        feed, order, coming = self.turn.feed, self._order, iter(batch)
        out: list[Event] = []
        for event in coming:
            given = len(out)
            try:
                if type(event) in LAST:
                    self._last(event, out)
                else:
                    for passed in feed(event):
                        if isinstance(passed, TEXTS) and passed.text and not order.strict:
                            out.append(passed)
                        else:
                            order.admit(passed, out, at_end=self._flushed)
                if order.strict:
                    order.whole()
                    if order.ended:
                        break
            except CONTAINED as exc:
                self._failed(exc, out)
                if not any(passed is event for passed in out[given:]):
                    out += order.past((event,))
                out += order.past(coming)
        self.tally.events_in += len(batch)
        self.tally.events_out += len(out)
        return out

    def lets_by(self, kinds: frozenset[type[Event]]) -> bool:
        """Whether a batch of these kinds, one at least, goes by the turn."""
        try:
            passes: object = self.turn.passes
        except Exception:  # noqa: BLE001  told once, as what is no set of kinds
            passes = None
        if passes is not self._told:
            self._told, self._passes = passes, self._passing(passes)
        return kinds <= self._passes

    def _passing(self, told: object) -> frozenset[type[Event]]:
        if isinstance(told, frozenset) and told <= PIECES:
            return told  # and no copy of it in each request
        try:
            return PIECES.intersection(told)  # type: ignore[arg-type]
        except TypeError as exc:
            self.note(exc)
            return frozenset()

    def took(self, seconds: float) -> None:
        """A step of the turn has taken so long."""
        self.tally.seconds += seconds
        self.worker.took(seconds)

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
        out: list[Event] = []
        self.worker.step(self._release, out, took=self.took)
        self.tally.events_out += len(out)
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

    @property
    def has_to_know(self) -> bool:
        """Whether anything is left to do at the end, however that came."""
        kind = type(self.turn)
        closes = kind.settle is not Turn.settle or kind.abandon is not Turn.abandon
        return closes or bool(self.worker.tasks)

    @property
    def is_done(self) -> bool:
        """Whether it has nothing to do with the answer, whatever that will be."""
        asks_again = type(self.turn).again is not Turn.again
        return self.turn.idle and not asks_again and not self.has_to_know

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

    def _last(self, event: Event, out: list[Event]) -> None:
        """The end: what is held goes out before it."""
        order = self._order
        if not self._flushed:
            self._flush(out)
        if not order.ended:
            self._give(self.turn.feed(event), out)
        if isinstance(event, ENDINGS) and not order.ended:
            out += order.past((event,))

    def _release(self, out: list[Event]) -> None:
        try:
            self._give(self.turn.release(), out)
        except CONTAINED as exc:
            self._failed(exc, out)

    def _flush(self, out: list[Event]) -> None:
        self._flushed = True
        self._give(self.turn.flush(), out)

    def _give(self, events: Iterable[Event], out: list[Event]) -> None:
        for event in events:
            self._order.admit(event, out, at_end=self._flushed)
        self._order.whole()

    def _failed(self, exc: BaseException, out: list[Event]) -> None:
        """From now on events pass by it; what can be had of what it holds is let go."""
        self.note(exc)
        self.passed_by = True
        if not self.bypass:
            out += self._order.past((self.error(),))
        elif not self._flushed:
            with suppress(*CONTAINED):  # the failure is noted
                self._flush(out)

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
