"""Where the agent's reasoning goes: delta fields, `<think>` tags in the text, or nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from gateway.events import Event, Ping, ReasoningDelta, Status, TextDelta
from gateway.plugin import Call, Context, Plugin, Turn


HIDDEN_NOTE = "(The model keeps its reasoning to itself.)"


@attrs.frozen
class Config:
    """Settings of `reasoning_mapper`."""

    into: list[Literal["reasoning_content", "reasoning", "think"]] = attrs.field(
        factory=lambda: ["reasoning_content", "reasoning"],
        metadata={
            "help": "fields that carry reasoning; [think] writes <think> tags into the text,"
            " [] drops it"
        },
    )
    hidden: Literal["drop", "note"] = attrs.field(
        default="drop",
        metadata={"help": "reasoning that the provider withholds: say nothing, or a short note"},
    )

    @into.validator
    def _alone(self, attribute: object, value: list[str]) -> None:
        if "think" in value and len(value) > 1:
            raise ValueError("think stands alone: tags and fields would show reasoning twice")


class ReasoningMapper(Plugin[Config]):
    """Shows reasoning in the way that the client understands."""

    essential = False

    def begin(self, context: Context) -> Turn:
        return ThinkTurn(self.config) if "think" in self.config.into else FieldTurn(self.config)


@attrs.define
class FieldTurn(Turn):
    """Reasoning in fields of the delta, or dropped when there are none."""

    config: Config

    async def prepare(self, call: Call) -> Call:
        return attrs.evolve(call, reply=attrs.evolve(call.reply, reasoning=tuple(self.config.into)))

    def feed(self, event: Event) -> Iterable[Event]:
        if not isinstance(event, ReasoningDelta):
            return (event,)
        shown = noted(event, self.config)
        return (shown,) if shown is not None and self.config.into else ()


@attrs.define
class ThinkTurn(Turn):
    """Reasoning as text between tags; the tag is closed before anything else is said."""

    config: Config
    _open: str | None = None

    async def prepare(self, call: Call) -> Call:
        return attrs.evolve(call, reply=attrs.evolve(call.reply, reasoning=()))

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, ReasoningDelta):
            return self._think(event)
        if self._open is None or isinstance(event, Ping | Status):
            return (event,)
        return (self._close("\n\n"), event)

    def flush(self) -> Iterable[Event]:
        return () if self._open is None else (self._close(""),)

    def _think(self, event: ReasoningDelta) -> Iterable[Event]:
        shown = noted(event, self.config)
        if shown is None:
            return ()
        tag, self._open = ("<think>" if self._open is None else ""), shown.message
        return (TextDelta(tag + shown.text, shown.message),)

    def _close(self, after: str) -> TextDelta:
        message, self._open = self._open or "", None
        return TextDelta("</think>" + after, message)


def noted(event: ReasoningDelta, config: Config) -> ReasoningDelta | None:
    """Reasoning with a text to show; hidden reasoning without one is noted, or None."""
    if event.text:
        return event
    return attrs.evolve(event, text=HIDDEN_NOTE) if config.hidden == "note" else None
