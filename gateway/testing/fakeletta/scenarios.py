"""The scripts that a user's message can ask for.

@@name@@ or @@name:argument@@   a scenario of `SCENARIOS`
!!{"text": "hi"}!!              one step, or {"steps": [...]}: see `steps.from_json`
anything else                   "You said: …"
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from gateway.testing.fakeletta.steps import Step, ToolUse, from_json


SYSINFO = "__SYSINFO__"

_PARIS = {"city": "Paris", "unit": "c"}
_ROME = {"city": "Rome"}
_MARKDOWN = (
    "# Title\n\n| a | b |\n|---|---:|\n| 1 | `x\\|y` |\n| 2 | **bold** |\n\n```python\n"
    'print("a\\n")\n'
    "```\n\n- item\n  - sub\n\n> quote\n\n1. one\n2. two\n"
)
_BACKSLASHES = (
    "line one\\",
    "nline two\\n",
    "line three \\\\n and real\n",
    "newline\\",
    "t tab \\",
    "u0041 end",
)
_UNICODE = (
    "naïve ",
    "日本語 ",
    "👩‍👩‍👧‍👦 ",
    "🇫🇷",
    " e\u0301 ",
    "مرحبا",
    " \u200b|\u2028|\u2029| ",
    "🎉",
)
_TOO_LONG = (
    "This model's maximum context length is 8192 tokens. "
    "However, your messages resulted in 9000 tokens."
)

Scenario = Callable[[str], Sequence[Step]]


def by_rules(message: str) -> Sequence[Step]:
    """The script that a user's message asks for."""
    if found := re.search(r"!!(\{.*\})!!", message, re.DOTALL):
        data = _read(found[1])
        return [from_json(step) for step in data.get("steps", [data])]
    if found := re.search(r"@@(\w+)(?::([^@]*))?@@", message):
        return SCENARIOS[found[1]](found[2] or "")
    return [Step(f"You said: {message}")]


def _read(text: str) -> Any:
    escaped = '\\"' in text[:6]
    return json.loads(json.loads(f'"{text}"') if escaped else text)


def _always(*steps: Step) -> Scenario:
    return lambda _argument: steps


def _words(letters: str, count: int) -> str:
    return " ".join(f"{letters}{number}" for number in range(count))


def _call(id: str, *then: Step, first: Step | None = None) -> Scenario:
    def script(name: str) -> Sequence[Step]:
        use = ToolUse(name or "get_weather", _PARIS, id)
        return [attrs.evolve(first or Step(), tools=(use,)), *then]

    return script


def _two(names: str, *, interleave: bool = False) -> Sequence[Step]:
    first, second = (names or "get_weather,get_time").split(",")[:2]
    uses = (ToolUse(first, _PARIS, "call_a"), ToolUse(second, _ROME, "call_b"))
    return [Step(tools=uses, interleave=interleave), Step("Both done.", n=5)]


def _loop(name: str) -> Sequence[Step]:
    uses = (
        ToolUse(name or "get_weather", {"city": f"C{turn}", "unit": "c"}, f"call_l{turn}")
        for turn in range(100)
    )
    return [Step(tools=(use,)) for use in uses]


def _bad_arguments(name: str) -> Sequence[Step]:
    use = ToolUse(name or "get_weather", '{"city": "Par', "call_bad")
    return [Step(tools=(use,)), Step("ok after bad args", n=5)]


def _five(breaks: Mapping[str, Any]) -> Scenario:
    return lambda after: [Step("one two three four five", n=4, after=int(after or 3), **breaks)]


SCENARIOS: Mapping[str, Scenario] = {
    "plain": lambda count: [Step(_words("word", int(count or 8)), n=6)],
    "reason": _always(Step("The answer is 42.", "First I think. Then I conclude.", n=7)),
    "reasononly": _always(Step(reason="Only thinking here.")),
    "tool": _call("call_one", Step("It is 21 degrees in Paris.", n=7)),
    "reasontool": _call(
        "call_rt", Step("Weather told.", n=7), first=Step(reason="I need the weather.")
    ),
    "texttool": _call("call_tt", Step("Checked.", n=7), first=Step("Let me check. ")),
    "two": _two,
    "twointer": lambda names: _two(names, interleave=True),
    "loop": _loop,
    "noid": _call("", Step("ok", n=5)),
    "badargs": _bad_arguments,
    "unknowntool": _always(
        Step(tools=(ToolUse("no_such_tool", {"x": 1}, "call_unk"),)), Step("ok after unknown", n=5)
    ),
    "err500": _always(Step(status=500)),
    "err500once": _always(Step("recovered", n=5, status=500, times=1)),
    "err429": _always(Step(status=429)),
    "err401": _always(Step(status=401)),
    "err400": _always(Step(status=400)),
    "errctx": _always(Step(status=400, msg=_TOO_LONG, code="context_length_exceeded")),
    "drop": _five({"breaks": "drop"}),
    "sseerr": _five({"breaks": "sse"}),
    "hang": lambda after: [Step("one two three", n=4, breaks="hang", after=int(after or 2))],
    "malformed": _always(Step("one two three", n=4, malformed=True)),
    "slow": lambda count: [Step(_words("w", int(count or 10)), n=3, delay=0.5)],
    "slowstart": lambda seconds: [Step("finally", n=3, pre=float(seconds or 5))],
    "bsn": _always(Step(_BACKSLASHES)),
    "long": lambda count: [
        Step("".join(f"{number:05d} " for number in range(int(count or 3000))), n=24)
    ],
    "unicode": _always(Step(_UNICODE)),
    "md": _always(Step(_MARKDOWN, n=5)),
    "empty": _always(Step()),
    "length": _always(Step("cut off he", n=4, finish="length")),
    "filter": _always(Step("I can", n=4, finish="content_filter")),
    "sysinfo": _always(Step(SYSINFO)),
}
