"""Answers in the form that the client asks for: a JSON object, or what a JSON schema describes.

Where the request has a conversation to itself, the form may have reached the agent's model
(see `sampling`); elsewhere the agent is told of it, in a system message to this one request.
What the agent makes of that is checked, and asked for once more if it is something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from gateway.events import Error, Event, Finish, Ping, Status, TextDelta, ToolCallStart
from gateway.plugin import Call, Context, Message, Plugin, Text, Turn
from plugins.formats.asked import FIELD, Format, format_of
from plugins.formats.fences import Fences, bare


@attrs.frozen
class Config:
    """Settings of `response_format`."""

    check: bool = attrs.field(
        default=True,
        metadata={
            "help": "hold an answer until it is known to have the form, and ask the agent once"
            " more if not; false shows whatever comes as it comes"
        },
    )


class ResponseFormat(Plugin[Config]):
    """Gives JSON to those who ask for it."""

    needs = frozenset({"conversation_resolver"})

    def begin(self, context: Context) -> Turn:
        return FormatTurn(self.config.check)


@attrs.define
class FormatTurn(Turn):
    """
    One answer, whose text is held as a whole or only loses the fence around it.

    It is held where the client gets it as a whole anyway, and in a stream where nothing but
    this makes sure of a form that the client cannot do without.
    """

    check: bool
    _wanted: Format | None = None
    _fitting: TextDelta | None = None
    _wrong: str = ""
    _held: list[TextDelta] | None = None
    _fences: Fences = attrs.Factory(Fences)
    _message: str = ""

    async def prepare(self, call: Call) -> Call:
        self._wanted = wanted = format_of(call.body)
        call = attrs.evolve(call, reply=call.reply.honouring({FIELD}))
        if wanted is None or call.answer is not None:
            self.idle = True
            return call
        told = call.conversation is not None and call.conversation.settings.format is not None
        if not told and call.input:  # with results alone, it was told in the request before
            call = attrs.evolve(call, input=(*call.input, _said(wanted.demand)))
        if self.check and (not call.stream or (wanted.strict and not told)):
            self._held = []
            call = attrs.evolve(call, must_fit=self._fits)
        return call

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case TextDelta():
                return self._text(event)
            case ToolCallStart(client_side=True):  # no answer yet, so nothing that has to fit
                held = (*self.flush(), event)
                self._held = None
                return held
            case Ping() | Status():
                return (event,)
        return (event,) if self._held is not None else (*self.flush(), event)

    def flush(self) -> Iterable[Event]:
        if self._held is not None:
            held, self._held = self._held, []
            return held if self._fitting is None else (self._fitting,)
        rest = self._fences.rest()
        return (TextDelta(rest, self._message),) if rest else ()

    async def again(self, call: Call, ending: Finish | Error) -> Call | None:
        if self._wanted is None or not self._wrong or not isinstance(ending, Finish):
            return None
        text = f"Your last answer was not what was asked for. {self._wrong}\n"
        return attrs.evolve(call, input=(_said(text + self._wanted.demand),), answers=())

    def _fits(self, answer: Sequence[Event]) -> bool:
        """Whether the agent's last message is what was asked for: it may have said more before."""
        texts = [event for event in answer if isinstance(event, TextDelta)]
        last = texts[-1].message if texts else ""
        text = bare("".join(event.text for event in texts if event.message == last))
        wrong = self._wanted.shape.wrong(text) if self._wanted is not None else None
        self._wrong = wrong or ""
        self._fitting = TextDelta(text, last) if wrong is None else None
        return wrong is None

    def _text(self, event: TextDelta) -> Iterable[Event]:
        if self._held is not None:
            self._held.append(event)
            return ()
        before: Iterable[Event] = ()
        if event.message != self._message:
            before, self._fences, self._message = self.flush(), Fences(), event.message
        text = self._fences.feed(event.text)
        return (*before, TextDelta(text, event.message)) if text else before


def _said(text: str) -> Message:
    return Message("system", (Text(text),))
