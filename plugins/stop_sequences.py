"""Where the client wants the answer to end: at a text of its own, or after so many tokens.

Letta has neither. What is cut off never reaches the client; the agent itself has said it, and
where the conversation goes on it remembers that. A conversation for one request can have its
model stop by itself after so many tokens (see `sampling`): then only the reason is corrected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import attrs

from gateway.events import Event, Finish, Ping, Status, TextDelta, Usage
from gateway.plugin import Call, Context, Plugin, Turn
from plugins.stops.asked import LENGTHS, length_of, stops_of
from plugins.stops.cap import Cap
from plugins.stops.finder import Finder


@attrs.frozen
class Config:
    """Settings of `stop_sequences`."""

    max_tokens: Literal["estimate", "model"] = attrs.field(
        default="estimate",
        metadata={
            "help": "where the agent's model cannot be told max_tokens: end the answer after"
            " about as many (estimate), or let it be as long as it gets (model)"
        },
    )


class StopSequences(Plugin[Config]):
    """Ends the answer where the client wants it to end."""

    needs = frozenset({"conversation_resolver"})

    def begin(self, context: Context) -> Turn:
        return StopTurn(self.config)


@attrs.define
class StopTurn(Turn):
    """One answer, up to its end."""

    config: Config
    _finder: Finder | None = None
    _cap: Cap | None = None
    _told: int | None = None
    """How many tokens the model was told."""
    _message: str = ""
    _ended: bool = False
    _cut: bool = False
    """Whether the model seems to have run into them."""

    async def prepare(self, call: Call) -> Call:
        stops, length = stops_of(call.body), length_of(call.body)
        told = None if call.conversation is None else call.conversation.settings.max_tokens
        self._told = told
        self._finder = Finder(stops) if stops else None
        if length is not None and told is None and self.config.max_tokens == "estimate":
            self._cap = Cap(length)
        self.idle = self._finder is None and self._cap is None and told is None
        honoured = ("stop", *(LENGTHS if self._cap else ()))
        return attrs.evolve(call, reply=call.reply.honouring(honoured))

    def feed(self, event: Event) -> Iterable[Event]:
        if self._ended:
            return ()
        match event:
            case TextDelta():
                return self._said(event)
            case Usage(completion=completion, steps=steps):
                self._cut = self._told is not None and completion >= self._told * max(steps, 1)
            case Finish("stop") if self._cut:
                return (Finish("length"),)
            case Ping() | Status():
                return (event,)
        rest = self._rest()
        return rest if _over(rest) else (*rest, event)

    def flush(self) -> Iterable[Event]:
        return self._rest()

    def _rest(self) -> tuple[Event, ...]:
        rest = self._finder.rest() if self._finder is not None else ""
        return self._shown(rest, self._message)

    def _said(self, event: TextDelta) -> tuple[Event, ...]:
        before = () if event.message == self._message else self._rest()
        self._message = event.message
        if _over(before):
            return before
        finder = self._finder
        text = event.text if finder is None else finder.feed(event.text)
        shown = (*before, *self._shown(text, event.message))
        if finder is None or not finder.found or _over(shown):
            return shown
        self._ended = True
        return (*shown, Finish("stop"))

    def _shown(self, text: str, message: str) -> tuple[Event, ...]:
        """What can be shown, up to the cap."""
        cap = self._cap
        if not text or self._ended:
            return ()
        within = text if cap is None else cap.feed(text)
        shown = (TextDelta(within, message),) if within else ()
        if cap is None or not cap.reached:
            return shown
        self._ended = True
        return (*shown, Finish("length"))


def _over(events: Sequence[Event]) -> bool:
    return bool(events) and isinstance(events[-1], Finish)
