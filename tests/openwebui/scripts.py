"""What the agent Actor does: what people might ask of it, or what a test spells out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway.testing.fakeletta import Ask, Step, ToolUse
from gateway.testing.fakeletta.scenarios import by_rules


TITLE = "A title of the agent's"
TASKS = {"title": TITLE, "tags": ["Tests"], "follow_ups": ["And then?"], "queries": []}

STORY = "Tell me a story."
WEATHER = "What is the weather in Rome?"
PUZZLE = "Is a tomato a fruit?"
TOO_MUCH = "Are you there?"

_ROME = ToolUse("look_up_weather", {"city": "Rome"})

# Seconds are those of a fast clock: see `stage`.
SCRIPTS = {
    STORY: [Step("once upon a time, " * 200, "I know many.", n=9, delay=0.4)],
    WEATHER: [
        Step(reason="I look it up.", pre=5, delay=0.5, tools=(_ROME,)),
        Step("It is **sunny** in Rome.", pre=5),
    ],
    PUZZLE: [Step("It is a fruit.", "What is it that we call a fruit?", n=4, delay=0.9)],
    TOO_MUCH: [Step(status=429)],
}


def acts(ask: Ask) -> Sequence[Step]:
    """The steps that answer a message; for titles and the like, what Open WebUI hopes for."""
    if "<chat_history>" in ask.said:
        return [Step(json.dumps(TASKS))]
    return SCRIPTS.get(ask.said) or by_rules(ask.said)


def does(*steps: dict[str, Any]) -> str:
    """A message that makes it do this: see gateway/testing/fakeletta/steps.py."""
    return f"!!{json.dumps({'steps': steps})}!!"


def turn(said: str) -> list[tuple[str, str]]:
    """What a conversation has of a message that is no script, and of its answer."""
    return [("user", said), ("assistant", f"You said: {said}")]
