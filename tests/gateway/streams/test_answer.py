"""What surfaces read has the same shape, whatever it is."""

from __future__ import annotations

import inspect

import pytest

from gateway.pipeline.exchange import Exchange
from gateway.streams.answer import Answer
from gateway.streams.parking import Opened
from gateway.streams.stream import Stream


@pytest.mark.parametrize("kind", [Exchange, Stream, Opened])
def test_it_is_an_answer(kind):
    """All that the protocol names is there."""
    named = {name for name in vars(Answer) if name in {"call", "unmet"} or name.startswith("__a")}
    assert {"call", "unmet", "__aiter__", "__aenter__", "__aexit__"} <= named
    assert inspect.isasyncgenfunction(kind.__aiter__)
    assert inspect.iscoroutinefunction(kind.__aenter__)
    assert inspect.iscoroutinefunction(kind.__aexit__)
    assert hasattr(kind, "unmet")
    assert hasattr(kind, "call")
