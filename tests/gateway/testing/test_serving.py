from __future__ import annotations

import re
import threading

import attrs
import pytest

from gateway.errors import ConfigError
from gateway.events import TextDelta
from gateway.plugin import Plugin, Turn
from gateway.testing import FakeLetta, Step, served


@attrs.frozen
class Config:
    """Settings of `Marking`."""

    mark: str = "!"


class Marking(Plugin[Config]):
    """Puts a mark behind each word, in however many pieces they come."""

    def begin(self, context):
        return MarkingTurn(self.config.mark)


@attrs.define
class MarkingTurn(Turn):
    mark: str

    def feed(self, event):
        if isinstance(event, TextDelta):
            text = re.sub(r"\S+", lambda word: word[0] + self.mark, event.text)
            return [attrs.evolve(event, text=text)]
        return [event]


WORDS = [Step(("one", " two"))]


def test_a_class_in_the_built_in_pipeline():
    """The shortest way to see what a plugin does."""
    with served([Marking], says=WORDS) as gateway:
        assert gateway.ask("Hello") == "one! two!"
        assert gateway.stream("Hello") == ["one!", " two!"]
    assert all(thread.name != "letta-gateway" for thread in threading.enumerate())


def test_steps_as_the_file_has_them():
    """With settings; a class may stand for its path, and there may be several."""
    steps = [
        {"use": Marking, "config": {"mark": "?"}},
        {"use": f"{__name__}:Marking", "id": "second"},
    ]
    with served(steps, says=WORDS) as gateway:
        assert gateway.ask("Hello") == "one!? two!?"


def test_a_whole_pipeline():
    """Whoever names `agent_resolver` names them all."""
    steps = ["agent_resolver", "conversation_resolver", Marking]
    with served(steps, says=WORDS) as gateway:
        assert gateway.ask("Hello") == "one! two!"


def test_a_letta_of_the_tests_own():
    """Its agents, and what it was sent."""
    letta = FakeLetta()
    letta.add_agent("Ada", script=[Step("Hi.")])
    with served([], letta=letta) as gateway:
        assert gateway.ask("Hello", model="Ada") == "Hi."
        assert any("/messages" in request.path for request in gateway.letta.requests)


def test_other_sections():
    """Keys, for example; a refusal is an answer, and `ask` says what it was."""
    with served([], keys=[{"name": "me", "key": "sk-me-and-nobody-else"}]) as gateway:
        refused = gateway.post({"model": "Milo"}, Authorization="Bearer sk-other")
        assert (refused.status, refused.json["error"]["code"]) == (401, "invalid_api_key")
        with pytest.raises(AssertionError, match="the gateway answers 401"):
            gateway.ask("Hello")


def test_a_gateway_that_cannot_start():
    """The test is told why."""
    with pytest.raises(ConfigError, match='there is no plugin "nothing"'), served(["nothing"]):
        pass


async def test_within_a_running_loop():
    """Tests that are `async` may use it, too: it has a thread of its own."""
    with served([Marking], says=WORDS) as gateway:
        assert gateway.ask("Hello") == "one! two!"
