"""The scripted model's scenarios: what `@@name:argument@@` in a message stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.letta_server.script import BadScript, Step, ToolCall, named, spelled_out


MARKDOWN = r"""# Title

| a | b |
|---|---:|
| 1 | `x\|y` |
| 2 | **bold** |

```python
print("a\n")
```

- item
  - sub

> quote

1. one
2. two
"""

# A family joined of four people, a flag of two code points, a combining accent, line separators.
UNICODE = [
    *("naïve ", "日本語 ", "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 "),
    *("\U0001f1eb\U0001f1f7", " e\u0301 ", "مرحبا", " \u200b|\u2028|\u2029| ", "\U0001f389"),
]

# Backslashes that begin in one piece what the next piece ends.
BACKSLASHES = [
    *("line one\\", "nline two\\n", "line three \\\\n and real\n"),
    *("newline\\", "t tab \\", "u0041 end"),
]

CONTEXT_TOO_LONG = (
    "This model's maximum context length is 8192 tokens. "
    "However, your messages resulted in 9000 tokens."
)


def steps_for(text: str) -> list[Step]:
    """What the model does, call by call, after a person said `text`."""
    if (steps := spelled_out(text)) is not None:
        return steps
    if (name := named(text)) is None:
        return [Step(text=f"You said: {text}")]
    if (scenario := SCENARIOS.get(name[0])) is None:
        raise BadScript(f"no scenario {name[0]!r}")
    return scenario(name[1])


def _words(count: str, word: str) -> str:
    return " ".join(f"{word}{number}" for number in range(int(count)))


def _weather(tool: str, call_id: str) -> ToolCall:
    return ToolCall(tool or "get_weather", {"city": "Paris", "unit": "c"}, call_id)


def _two(tools: str, *, interleave: bool = False) -> list[Step]:
    first, second = (tools or "get_weather,get_time").split(",")
    calls = [_weather(first, "call_a"), ToolCall(second, {"city": "Rome"}, "call_b")]
    return [Step(tools=calls, interleave=interleave), Step(text="Both done.", n=5)]


def _loop(tool: str) -> list[Step]:
    cities = [{"city": f"C{number}", "unit": "c"} for number in range(100)]
    return [
        Step(tools=[ToolCall(tool or "get_weather", city, f"call_l{number}")])
        for number, city in enumerate(cities)
    ]


def _tool_then(text: str, call: ToolCall, *, said: str = "", reason: str = "") -> list[Step]:
    return [Step(text=said, reason=reason, tools=[call]), Step(text=text, n=7)]


def _counting(words: str = "one two three four five", **how: Any) -> list[Step]:
    return [Step(text=words, n=4, **how)]


SCENARIOS: dict[str, Callable[[str], list[Step]]] = {
    "plain": lambda arg: [Step(text=_words(arg or "8", "word"), n=6)],
    "long": lambda arg: [Step(text="".join(f"{i:05d} " for i in range(int(arg or 3000))), n=24)],
    "unicode": lambda _: [Step(text=UNICODE)],
    "md": lambda _: [Step(text=MARKDOWN, n=5)],
    "bsn": lambda _: [Step(text=BACKSLASHES)],
    "empty": lambda _: [Step()],
    "sysinfo": lambda _: [Step(show_request=True, n=40)],
    "reason": lambda _: [
        Step(reason="First I think. Then I conclude.", text="The answer is 42.", n=7)
    ],
    "reasononly": lambda _: [Step(reason="Only thinking here.")],
    "length": lambda _: [Step(text="cut off he", n=4, finish="length")],
    "filter": lambda _: [Step(text="I can", n=4, finish="content_filter")],
    # Slow ones
    "slow": lambda arg: [Step(text=_words(arg or "10", "w"), n=3, delay=0.5)],
    "slowstart": lambda arg: [Step(text="finally", n=3, before=float(arg or 5))],
    "gate": lambda arg: _counting(after=2, gate=arg),
    # Tools
    "tool": lambda arg: _tool_then("It is 21 degrees in Paris.", _weather(arg, "call_one")),
    "reasontool": lambda arg: _tool_then(
        "Weather told.", _weather(arg, "call_rt"), reason="I need the weather."
    ),
    "texttool": lambda arg: _tool_then("Checked.", _weather(arg, "call_tt"), said="Let me check. "),
    "two": _two,
    "twointer": lambda arg: _two(arg, interleave=True),
    "loop": _loop,
    "noid": lambda arg: _tool_then("ok", _weather(arg, "")),
    "badargs": lambda arg: _tool_then(
        "ok after bad args", ToolCall(arg or "get_weather", '{"city": "Par', "call_bad")
    ),
    "unknowntool": lambda _: _tool_then(
        "ok after unknown", ToolCall("no_such_tool", {"x": 1}, "call_unk")
    ),
    # Failures before the first byte
    "err500": lambda _: [Step(status=500)],
    "err500once": lambda _: [Step(status=500, times=1, text="recovered", n=5)],
    "err429": lambda _: [Step(status=429)],
    "err401": lambda _: [Step(status=401)],
    "err400": lambda _: [Step(status=400)],
    "errctx": lambda _: [
        Step(status=400, message=CONTEXT_TOO_LONG, code="context_length_exceeded")
    ],
    # Failures in mid-stream
    "drop": lambda arg: _counting(broken="drop", after=int(arg or 3)),
    "sseerr": lambda arg: _counting(broken="sse", after=int(arg or 3)),
    "hang": lambda arg: _counting("one two three", broken="hang", after=int(arg or 2)),
    "malformed": lambda _: _counting("one two three", malformed=True),
}
