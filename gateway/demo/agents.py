"""The agents of `letta-gateway demo`, as data: what each shows, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import attrs

from gateway.demo.milo import PACE, answer, words
from gateway.testing.fakeletta import Ask, Script, ServerTool, Step, ToolUse


_LONGEST_WAIT = 300.0


@attrs.frozen
class DemoAgent:
    """An agent to try: what it is for, questions to ask it, and what it answers."""

    name: str
    description: str
    prompts: tuple[str, ...]
    script: Script | None = None
    type: str = "letta_v1_agent"
    tools: tuple[ServerTool, ...] = ()


def catalogue() -> str:
    """What the agents show, as a table."""
    rows = "\n".join(f"| `{agent.name}` | {agent.description} |" for agent in AGENTS)
    return f"| model | what it shows |\n|---|---|\n{rows}\n"


# Thinker: more thoughts than words.

_THOUGHT = (
    "The question looks simple, so I look twice. First I say what is asked in my own words. "
    "Then I try the obvious answer and look for a case in which it is wrong. I find none. "
    "So the obvious answer stands."
)


def thinker(ask: Ask) -> Sequence[Step]:
    """A long thought, then a short answer."""
    return [words("I have thought about it: the obvious answer is right.", _THOUGHT)]


# Tables: cut where it hurts.

_TABLE = (
    "Here is a table", ", cut in awkward places:\n", "\n|", " City ", "|", " Coun", "try | Peo",
    "ple |\n|-", "--|--", "-|--", "-:|", "\n", "| Par", "is | Fr", "ance | 2 1", "02 650 |\n",
    "| **Ro", "me*", "* | It", "aly | 2 748 109 ", "|\n| `To", "kyo` | Ja", "pan | 14 ",
    "047 594 |", "\n\n", "And a list:\n\n- o", "ne\n- tw", "o\n  - and a half\n",
)  # fmt: skip


# Newlines: what some models do to their line breaks.

_ESCAPED = (
    "Some models escape twice:\\n\\n| City | People |\\n|---|--", "-:|\\",
    "n| Paris | 2 102 650 |\\", "n| Rome | 2 748 109 |",
    "\\n| Tokyo | 14 047 594 |\\n\\nEvery line break above left the ",
    "model as a backslash and an n.",
)  # fmt: skip


# Weather: a tool that Letta runs itself, or one that the client brings.


def look_up_weather(city: str) -> str:
    """Make-believe weather: the same for a city every time."""
    degrees = sum(map(ord, city.lower())) % 25 + 11
    print(f"asked the make-believe weather office about {city}")  # noqa: T201
    return f"{degrees} degrees and {'sun' if degrees % 2 else 'rain'}"


def weather(ask: Ask) -> Sequence[Step]:
    """Looks the weather up with a tool, the client's if it has one, then tells it."""
    named = [name for name in ask.tools if "weather" in name]
    found = re.search(r"\b(?:in|for|of) ([A-ZÀ-Ý][\w'\- ]*\w)", ask.said)
    city = found[1] if found else "Paris"
    use = ToolUse(named[-1], {"city": city}, frag=5)
    results = [message.text for message in ask.messages if message.role == "tool"]
    told = results[-1] if results else ""
    ask_for_it = Step(reason=f"I need the weather of {city}.", n=6, delay=PACE, tools=(use,))
    if any(message.role == "system" and "JSON" in message.text for message in ask.messages):
        return [ask_for_it, _as_json(city, told)]
    return [ask_for_it, words(f"In {city} it is {told} right now.")]


def _as_json(city: str, told: str) -> Step:
    found = re.search(r"(-?\d+) degrees(?: and (\w+))?", told)
    degrees, sky = (int(found[1]), found[2] or "") if found else (0, told)
    return Step(json.dumps({"city": city, "degrees": degrees, "sky": sky}), delay=PACE)


# Slow: says nothing for a long time.


def slow(ask: Ask) -> Sequence[Step]:
    """Waits for as many seconds as the message says, or for 25."""
    found = re.search(r"\d+", ask.said)
    seconds = min(float(found[0]) if found else 25.0, _LONGEST_WAIT)
    step = words(f"{seconds:.0f} s of silence, and the connection is still there.")
    return [attrs.evolve(step, pre=seconds)]


def in_character(script: Script | None) -> Script | None:
    """Whoever is asked once more says once more what came last."""
    if script is None:
        return None

    def steps(ask: Ask) -> Sequence[Step]:
        known = script(ask) if callable(script) else script
        return [*known, *[known[-1]] * ask.turn]

    return steps


_CLASSIC = (
    "I am of an older kind: what I say is the argument of a tool.\n\n"
    '| a "quoted" cell | a back\\slash |\n|---|---|\n| 日本 | 🎉 |\n'
)

AGENTS = (
    DemoAgent(
        "Milo",
        "A friendly agent that thinks aloud and remembers what it was told",
        ("My name is Ada.", "What is my name?", "What can you do?"),
        lambda ask: answer(ask, catalogue()),
    ),
    DemoAgent(
        "Thinker",
        "Reasoning first, then the answer",
        ("Is a tomato a fruit?",),
        thinker,
    ),
    DemoAgent(
        "Tables",
        "Markdown that arrives in awkward pieces",
        ("Show me a table.",),
        [Step(_TABLE, delay=PACE)],
    ),
    DemoAgent(
        "Weather",
        "A tool that the agent runs itself, or yours if you offer a get_weather",
        ("What is the weather in Rome?",),
        weather,
        tools=(
            ServerTool("look_up_weather", look_up_weather, "The weather of a city", seconds=0.5),
        ),
    ),
    DemoAgent(
        "Newlines",
        "Line breaks that arrive as \\n, and are put right on the way",
        ("Show me the table.",),
        [Step(_ESCAPED, delay=PACE)],
    ),
    DemoAgent(
        "Busy",
        "An agent whose model refuses: the client sees a real 429",
        ("Are you there?",),
        [Step(status=429, msg="The make-believe model is busy")],
    ),
    DemoAgent(
        "Slow",
        "A long silence before the answer, kept alive all the while",
        ("Think it over.", "Wait for 40 seconds."),
        slow,
    ),
    DemoAgent(
        "Classic",
        "An older agent type, which talks through a tool",
        ("How do you talk?",),
        [Step(_CLASSIC, "I speak by calling a tool.", sm=6, delay=PACE)],
        type="memgpt_v2_agent",
    ),
    DemoAgent(
        "Echo",
        "Says what you say; @@md@@, @@reason@@ or @@long@@ make it say more",
        ("Hello?", "@@md@@", "@@reason@@"),
    ),
)
