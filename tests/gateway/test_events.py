from __future__ import annotations

import typing

import attrs
import pytest

from gateway import events
from gateway.events import Event, Ping, ReasoningDelta, TextDelta, Usage


KINDS = typing.get_args(Event)


def test_the_set_is_closed():
    """Whatever event the module has is in the union that encoders match on."""
    made = {each for each in vars(events).values() if isinstance(each, type) and attrs.has(each)}
    assert made == set(KINDS)
    assert set(typing.get_args(events.Ending)) < made


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_facts(kind):
    """Nobody changes one that others hold, and nothing can be hung on it."""
    event = kind(**{field.name: "x" for field in attrs.fields(kind) if _needed(field)})
    for name in [*(field.name for field in attrs.fields(kind)), "more"]:
        with pytest.raises(AttributeError):
            setattr(event, name, "y")
    assert not hasattr(event, "__dict__")
    assert kind.__final__
    assert hash(event) == hash(attrs.evolve(event))


def _needed(field: attrs.Attribute[object]) -> bool:
    return field.default is attrs.NOTHING


def test_events_are_told_apart_by_what_they_say():
    """Equal ones are equal; another kind never is."""
    assert TextDelta("a", "m") == TextDelta("a", "m")
    assert TextDelta("a", "m") != TextDelta("a", "n")
    assert TextDelta("a", "m") != ReasoningDelta("a", "m")
    assert Ping() == Ping()


def test_what_the_provider_does_not_tell_is_not_zero():
    """Tokens that are unknown are None."""
    usage = Usage(1, 2)
    assert (usage.cached, usage.reasoning) == (None, None)
