"""Tools in words that people understand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import attrs

from gateway.events import Event, Status, ToolArgsDelta, ToolCallStart, ToolResult
from gateway.plugin import Context, Plugin, Turn


FIELD = re.compile(r"\{(\w+)\}")
LONGEST_FIELD = 60


@attrs.frozen
class Config:
    """Settings of `status_lines`."""

    lines: dict[str, str] = attrs.field(
        factory=lambda: {
            "archival_memory_search": "Searching my memory for “{query}”…",
            "archival_memory_insert": "Taking a note…",
            "conversation_search": "Looking through what we said…",
            "memory_insert": "Taking a note…",
            "memory_replace": "Taking a note…",
            "web_search": "Searching the web for “{query}”…",
        },
        metadata={"help": "what is said of a tool; {name} is its argument of that name"},
    )
    other: str = attrs.field(
        default="Working…",
        metadata={"help": "what is said of any other tool, and of missing arguments"},
    )
    failed: str = attrs.field(
        default="That did not work.", metadata={"help": "what is said when a tool has failed"}
    )


class StatusLines(Plugin[Config]):
    """Says in plain words what the agent's own tools are doing."""

    essential = False

    def begin(self, context: Context) -> Turn:
        return StatusTurn(self.config)


@attrs.define
class StatusTurn(Turn):
    """One answer; `_arguments` are those of the tools whose line needs them."""

    config: Config
    _said: dict[str, str] = attrs.field(factory=dict)
    _wanted: dict[str, str] = attrs.field(factory=dict)
    _arguments: dict[str, str] = attrs.field(factory=dict)

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case ToolCallStart(call_id, name, False):
                return self._started(call_id, self.config.lines.get(name, self.config.other))
            case ToolArgsDelta(call_id, piece) if call_id in self._wanted:
                return self._argued(call_id, piece)
            case ToolResult(call_id, _, ok) if call_id in self._said:
                return (Status(self._said[call_id] if ok else self.config.failed, done=True),)
            case ToolArgsDelta(call_id) if call_id in self._said:
                return ()
        return (event,)

    def _started(self, call_id: str, line: str) -> Iterable[Event]:
        """A line that names arguments is said again when they are there."""
        if FIELD.search(line) is None:
            return self._say(call_id, line)
        self._wanted[call_id], self._arguments[call_id] = line, ""
        return self._say(call_id, self.config.other)

    def _argued(self, call_id: str, piece: str) -> Iterable[Event]:
        self._arguments[call_id] += piece
        arguments = _parsed(self._arguments[call_id])
        if arguments is None:
            return ()
        line, _ = self._wanted.pop(call_id), self._arguments.pop(call_id)
        if not all(isinstance(arguments.get(name), str | int) for name in FIELD.findall(line)):
            return ()
        return self._say(call_id, FIELD.sub(lambda field: _short(arguments[field[1]]), line))

    def _say(self, call_id: str, line: str) -> Iterable[Event]:
        self._said[call_id] = line
        return (Status(line),)


def _parsed(text: str) -> Mapping[str, object] | None:
    """Arguments that are whole."""
    if not text.rstrip().endswith("}"):
        return None
    try:
        arguments = json.loads(text)
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_FIELD else text[:LONGEST_FIELD] + "…"
