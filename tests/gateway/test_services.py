from __future__ import annotations

import asyncio
import inspect

import pytest

from gateway.letta.client import LettaAPI
from gateway.services import Caller, Clock, Letta, LoopClock, Store
from gateway.store.memory import MemoryStore
from gateway.testing.kit import ManualClock


class TestLoopClock:
    def test_it_never_goes_back(self):
        """Only differences mean something."""
        clock = LoopClock()
        assert clock.now() <= clock.now()

    async def test_it_calls_back(self):
        """At a time on its own scale; one that has passed is at once."""
        clock = LoopClock()
        for when in (clock.now() - 5, clock.now() + 0.001):
            called = asyncio.Event()
            clock.call_at(when, called.set)
            async with asyncio.timeout(5):
                await called.wait()

    async def test_cancel(self):
        """A callback that was cancelled is not called."""
        clock, calls, later = LoopClock(), [], asyncio.Event()
        clock.call_at(clock.now(), lambda: calls.append(1)).cancel()
        clock.call_at(clock.now() + 0.001, later.set)
        await later.wait()
        assert calls == []


def test_callers_without_a_key_are_one():
    """Anonymous, by name and for the store."""
    assert Caller() == Caller("anonymous", "anonymous")


@pytest.mark.parametrize(
    ("protocol", "made"),
    [(Letta, LettaAPI), (Store, MemoryStore), (Clock, LoopClock), (Clock, ManualClock)],
)
def test_what_plugins_are_given_is_what_was_promised(protocol, made):
    """Every method is there and takes what the protocol says."""
    for name, promised in inspect.getmembers(protocol, inspect.isfunction):
        if name.startswith("_"):
            continue
        given = inspect.signature(getattr(made, name)).parameters
        assert list(given) == list(inspect.signature(promised).parameters), name
