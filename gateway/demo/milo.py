"""Milo, the friendly one: says hello, and remembers what it is told in a conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from gateway.testing.fakeletta import Ask, Step, ToolUse


PACE = 0.04

_TOLD = re.compile(r"\bmy ([a-z][a-z ]{0,30}?) is (?:called )?([^.,!?\n]+)", re.IGNORECASE)
_CALLED = re.compile(r"\b(?:call me|i am called|i'm called) ([^.,!?\n]+)", re.IGNORECASE)
_ASKED = re.compile(
    r"\b(?:what(?:'s| is| was)|do you (?:know|remember)) my ([a-z][a-z ]{0,30}?)\s*(?:\?|$)",
    re.IGNORECASE,
)
_GREETING = re.compile(r"\s*(hi|hello|hey|good (morning|evening|day))\b", re.IGNORECASE)
_HELP = re.compile(r"\b(help|what can you do|who are you)\b", re.IGNORECASE)


def words(text: str, reason: str = "") -> Step:
    """A step that says something word by word, after a thought."""
    return Step(tuple(re.findall(r"\s*\S+\s*", text)), reason, n=6, delay=PACE)


def answer(ask: Ask, catalogue: str) -> Sequence[Step]:
    """What Milo says; `catalogue` tells what else there is to try."""
    step = _answer(ask.said, _facts(ask), catalogue)
    told = _told(ask)
    if "JSON" in told:
        step = Step(json.dumps({"name": "Milo", "says": step.said}), step.reason, delay=PACE)
    if "calling the tool" in told and ask.tools:
        use = ToolUse(ask.tools[-1], {})
        return [Step(reason="I am asked for a tool.", n=6, delay=PACE, tools=(use,)), step]
    return [step]


def _told(ask: Ask) -> str:
    """What the system says to the user's last message."""
    told = ""
    for message in ask.messages:
        if message.role == "user":
            told = ""
        elif message.role == "system":
            told += message.text
    return told


def _answer(said: str, facts: dict[str, str], catalogue: str) -> Step:
    by_name = f", {facts['name']}" if "name" in facts else ""
    if asked := _ASKED.search(said):
        return _recall(asked[1].lower(), facts)
    if _CALLED.search(said) or _TOLD.search(said):
        thing, value = list(facts.items())[-1]
        thought = f"The user tells me their {thing}. I keep it in mind."
        return words(f"Nice! Your {thing} is {value}: I will remember that.", thought)
    if _HELP.search(said):
        text = f"These agents are here to be tried:\n\n{catalogue}"
        return words(text, "The user wants to know what there is to see here.")
    if _GREETING.match(said):
        text = f"Hello{by_name}! I am Milo, a make-believe agent. Tell me something about you."
        return words(text, "A greeting. I greet back.")
    text = f"You said: “{said.strip()}”. I am only make-believe, but I did listen{by_name}."
    return words(text, "I have no model behind me, so I say what I heard.")


def _facts(ask: Ask) -> dict[str, str]:
    """What the user has told, what was told last coming last."""
    facts: dict[str, str] = {}
    for message in ask.messages:
        if message.role == "user":
            named = [("name", name) for name in _CALLED.findall(message.text)]
            for thing, value in [*_TOLD.findall(message.text), *named]:
                facts.pop(thing.lower(), None)
                facts[thing.lower()] = value.strip()
    return facts


def _recall(thing: str, facts: dict[str, str]) -> Step:
    if thing in facts:
        thought = f"The user told me their {thing} earlier in this conversation."
        return words(f"Your {thing} is {facts[thing]}.", thought)
    return words(f"You have not told me your {thing} yet.", f"I look for their {thing}: nothing.")
