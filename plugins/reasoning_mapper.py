"""Where the agent's reasoning goes: delta fields, `<think>` tags in the text, or nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from gateway.events import PIECES, Event, Ping, ReasoningDelta, Status, TextDelta
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
class ReasoningTurn(Turn):
    """What both ways of showing reasoning have in common."""

    config: Config
    _noted: str | None = attrs.field(init=False, default=None)

    def shown(self, event: ReasoningDelta) -> ReasoningDelta | None:
        """
        Reasoning that can be read; for hidden reasoning a note, once a message, or nothing.

        What comes as the text of hidden reasoning is the provider's cipher.
        """
        if not event.hidden:
            return event
        if self.config.hidden == "drop" or event.message == self._noted:
            return None
        self._noted = event.message
        return ReasoningDelta(HIDDEN_NOTE, event.message)


@attrs.define
class FieldTurn(ReasoningTurn):
    """Reasoning in fields of the delta, or dropped when there are none."""

    passes = PIECES - {ReasoningDelta}

    async def prepare(self, call: Call) -> Call:
        return attrs.evolve(call, reply=attrs.evolve(call.reply, reasoning=tuple(self.config.into)))

    def feed(self, event: Event) -> Iterable[Event]:
        if not isinstance(event, ReasoningDelta):
            return (event,)
        shown = self.shown(event) if self.config.into else None
        return () if shown is None else (shown,)


@attrs.define
class ThinkTurn(ReasoningTurn):
    """Reasoning as text between tags; the tag is closed before anything else is said."""

    _open: str | None = attrs.field(init=False, default=None)

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
        shown = self.shown(event)
        if shown is None:
            return ()
        tag, self._open = ("<think>" if self._open is None else ""), shown.message
        return (TextDelta(tag + shown.text, shown.message),)

    def _close(self, after: str) -> TextDelta:
        message, self._open = self._open or "", None
        return TextDelta("</think>" + after, message)
