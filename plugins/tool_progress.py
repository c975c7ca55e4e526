"""What the agent's own tools are doing, for those who wait for the answer.

Tools that Letta runs never appear as OpenAI's `tool_calls`: a client would try to run them.
Open WebUI has frames of its own for them; any other client can be shown a line of text, or
nothing. What was shown is taken out of the history when the client sends it back, so that
no agent ever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import attrs
from attrs.validators import deep_iterable, gt, min_len

from gateway.events import (
    PIECES,
    Event,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
)
from gateway.plugin import Call, Context, Plugin, Turn
from plugins.progress.history import History, shown_id


Way: TypeAlias = Literal["tools", "status", "lines", "nothing"]
Frames: TypeAlias = tuple[Literal["status", "tools"], ...]

# What says nothing of tools.
OTHERS = PIECES - {Status}

FRAMES: Mapping[Way, Frames] = {"tools": ("tools", "status"), "status": ("status",)}


def _wording(_: object, __: object, value: str) -> None:
    if "{tool}" not in value or "\n" in value:
        raise ValueError("must be one line that holds {tool}, where the tool's name goes")


def _mark(_: object, __: object, value: str) -> None:
    if not value.strip() or not value.isprintable() or value.isascii():
        raise ValueError("must be one line with a sign in it that no agent begins its lines with")


@attrs.frozen
class Config:
    """Settings of `tool_progress`."""

    open_webui: Way = attrs.field(
        default="tools",
        metadata={
            "help": "in Open WebUI: tools (what goes in and comes out, to be opened), status (a"
            " line above the answer), lines (in the text) or nothing"
        },
    )
    others: Literal["lines", "nothing"] = attrs.field(
        default="nothing",
        metadata={"help": "any other client that streams: lines in the text, or nothing"},
    )
    headers: list[str] = attrs.field(
        factory=lambda: ["X-OpenWebUI-*"],
        validator=deep_iterable(min_len(1)),
        metadata={"help": "headers that tell Open WebUI from others; * stands for anything"},
    )
    most_characters: int = attrs.field(
        default=4000,
        validator=gt(0),
        metadata={"help": "how much of a tool's result Open WebUI is shown"},
    )
    mark: str = attrs.field(
        default="⚙ ",
        validator=_mark,
        metadata={"help": "what lines begin with; by it they are found in the history again"},
    )
    using: str = attrs.field(
        default="Using {tool}…",
        validator=_wording,
        metadata={"help": "the line when a tool is called"},
    )
    used: str = attrs.field(
        default="Used {tool}",
        validator=_wording,
        metadata={"help": "the status when it has given its result"},
    )
    failed: str = attrs.field(
        default="{tool} failed",
        validator=_wording,
        metadata={"help": "the line when it has failed"},
    )


class ToolProgress(Plugin[Config]):
    """Shows what the agent's own tools are doing, in the way that the client understands."""

    essential = False
    before = frozenset({"conversation_resolver"})  # which reads the history

    def begin(self, context: Context) -> Turn:
        return ProgressTurn(self.config, History(self.config.mark))


@attrs.define
class ProgressTurn(Turn):
    """One answer's progress: the way it is shown, and the tools that run."""

    config: Config
    history: History
    _way: Way = "nothing"
    _names: dict[str, str] = attrs.field(factory=dict)
    _ids: dict[str, str] = attrs.field(factory=dict)
    _lines: int = 0

    async def prepare(self, call: Call) -> Call:
        self._way = self._chosen(call)
        self.idle = self._way == "nothing"
        self.passes = OTHERS
        reply = attrs.evolve(call.reply, open_webui=FRAMES.get(self._way, ()))
        return attrs.evolve(call, messages=self.history.cleaned(call.messages), reply=reply)

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case ToolCallStart(call_id, name, False):
                self._names[call_id] = name
                return self._started(event)
            case ToolArgsDelta(call_id) if call_id in self._ids:
                return (attrs.evolve(event, call_id=self._ids[call_id]),)
            case ToolResult(call_id) if call_id in self._names:
                return self._ended(event)
            case Status(text, False) if self._way == "lines":
                return (event, self._line(text))
        return (event,)

    def _chosen(self, call: Call) -> Way:
        """Whoever waits for the whole answer, or for JSON, has no use for progress."""
        if not call.stream:
            return "nothing"
        way = self.config.open_webui if self._is_open_webui(call) else self.config.others
        return "nothing" if way == "lines" and _wants_json(call) else way

    def _is_open_webui(self, call: Call) -> bool:
        sent = [name for name, value in call.headers.items() if value]
        return any(fnmatchcase(n, known.lower()) for known in self.config.headers for n in sent)

    def _started(self, event: ToolCallStart) -> Iterable[Event]:
        said = self.config.using.replace("{tool}", event.name)
        match self._way:
            case "tools":
                shown = self._ids[event.call_id] = shown_id(event.call_id)
                return (attrs.evolve(event, call_id=shown),)
            case "status":
                return (event, Status(said))
        return (event, self._line(said))

    def _ended(self, event: ToolResult) -> Iterable[Event]:
        wording = self.config.used if event.ok else self.config.failed
        said = wording.replace("{tool}", self._names[event.call_id])
        match self._way:
            case "tools":
                shown, output = self._ids[event.call_id], self._cut(event.output)
                return (attrs.evolve(event, call_id=shown, output=output),)
            case "status":
                return (event, Status(said, done=True))
        return (event,) if event.ok else (event, self._line(said))

    def _line(self, text: str) -> TextDelta:
        """A message of its own, so that it stands apart from what the agent says."""
        self._lines += 1
        return TextDelta(self.history.line(text), f"progress-{self._lines}")

    def _cut(self, output: str) -> str:
        most = self.config.most_characters
        return output if len(output) <= most else output[:most] + "…"


def _wants_json(call: Call) -> bool:
    wanted = call.body.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type", "text") != "text"
