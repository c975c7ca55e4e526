"""What the scripted model is told to do, found in the last user message of a request.

    @@name@@ or @@name:argument@@   a scenario of `scenarios.py`
    !!{"steps": [STEP, ...]}!!      steps spelled out; one STEP alone will do
    anything else                   echoed: "You said: ..."

Step k answers the k-th call of the model after that message, so that a script can be "call a
tool, then talk". After the last step the model says "done".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import attrs


class BadScript(Exception):
    """The script in a message cannot be followed."""


@attrs.frozen
class ToolCall:
    """A tool that the model calls; its arguments go out `frag` characters at a time."""

    name: str
    args: str | dict[str, Any] = attrs.field(factory=dict)
    id: str | None = None
    frag: int = 6

    def json(self) -> str:
        return self.args if isinstance(self.args, str) else json.dumps(self.args)


@attrs.frozen(kw_only=True)
class Step:
    """
    One answer of the model.

    Text and reasoning are cut into pieces of `n` characters, unless `text` is a list of pieces.
    `raw_tool` is a name and the exact fragments of its arguments. `before` is the pause before
    the answer and `delay` the one before each piece, in seconds. A `status` of 400 and more
    fails the call (`times`: only that often, as the client's retries count). At piece `after`,
    `gate` waits until that gate is opened, and `broken` (written `break` in JSON) is how the
    stream breaks: drop, sse (an error object) or hang.
    """

    text: str | Sequence[str] = ""
    reason: str = ""
    n: int = 8
    tools: Sequence[ToolCall] = ()
    raw_tool: tuple[str, Sequence[str]] | None = None
    interleave: bool = False
    before: float = 0.0
    delay: float = 0.0
    status: int = 0
    times: int | None = None
    message: str = ""
    code: str | None = None
    after: int = 0
    gate: str = ""
    broken: str = ""
    malformed: bool = False
    finish: str = ""
    usage: dict[str, Any] | Literal["counted"] | None = "counted"
    show_request: bool = False

    @property
    def said(self) -> str:
        return "".join(self.text)

    def text_pieces(self) -> list[str]:
        return pieces(self.text, self.n) if isinstance(self.text, str) else list(self.text)


def pieces(text: str, size: int) -> list[str]:
    """The text, cut into pieces of `size` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]


@attrs.frozen
class Turn:
    """Where a conversation with the model stands: the last user message, and calls since."""

    text: str
    calls: int


def turn(messages: Sequence[dict[str, Any]]) -> Turn:
    """The last thing that a person said. Letta's own heartbeats are user messages too."""
    texts = [_text(message) for message in messages]
    said = [
        place
        for place, message in enumerate(messages)
        if message.get("role") == "user" and not re.match(r'\s*{\s*"type":\s*"heart', texts[place])
    ]
    if not said:
        return Turn("no user message", 0)
    since = messages[said[-1] + 1 :]
    return Turn(texts[said[-1]], sum(message.get("role") == "assistant" for message in since))


def spelled_out(text: str) -> list[Step] | None:
    """The steps written as JSON in the message, if there are any."""
    found = re.search(r"!!(\{.*\})!!", text, re.DOTALL)
    if not found:
        return None
    script = _json(found[1])
    return [_step(each) for each in script.get("steps", [script])]


def named(text: str) -> tuple[str, str] | None:
    """The scenario named in the message and its argument, if there is one."""
    found = re.search(r"@@(\w+)(?::([^@]*))?@@", text)
    return (found[1], found[2] or "") if found else None


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _json(text: str) -> dict[str, Any]:
    """The older agents wrap a message into JSON, and a script inside is escaped once more."""
    for candidate in (text, _unescaped(text)):
        try:
            script: dict[str, Any] = json.loads(candidate)
        except ValueError:
            continue
        return script
    raise BadScript(f"not JSON: {text}")


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return ""


NAMES = {"break": "broken", "pre": "before", "msg": "message", "rawtool": "raw_tool"}


def _step(fields: dict[str, Any]) -> Step:
    told = {NAMES.get(name, name): value for name, value in fields.items()}
    try:
        told["tools"] = _tools(told.get("tools", ()))
        return Step(**told)
    except TypeError as error:
        raise BadScript(str(error)) from error


def _tools(told: Iterable[dict[str, Any]]) -> list[ToolCall]:
    return [ToolCall(**each) for each in told]
