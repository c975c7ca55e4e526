"""What the token streams of older agents lose is fetched from the stored messages.

Those agents answer through a tool's argument, and Letta streams the inside of its JSON
string: escapes and all, and with many models parts of it or nothing. The stored message is
whole. What is missing goes out escaped as well, so that it reads like the rest. Of the
arguments of other tools it loses whatever comes after an object, and commas and names: so
those of a client's tool go out when they are stored, all at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from gateway.events import (
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    Usage,
)


@attrs.frozen
class Said:
    """
    What Letta has stored of a run: the assistant's `texts` by message id, oldest first, and
    the `arguments` of calls that wait for a client, by call id.
    """

    texts: Mapping[str, str] = attrs.field(factory=dict)
    arguments: Mapping[str, str] = attrs.field(factory=dict)


class Stored(Protocol):
    """Asks Letta what it has stored of a run so far."""

    async def __call__(self) -> Said: ...


@attrs.define
class Restorer:
    """
    Completes each step's text at its end, before anything of the next step goes out.

    `escaped` says whether the stream is the inside of a JSON string, as it mostly is. Then an
    escape that is cut waits for its rest: however slow the model is, no plugin has to guess.
    """

    stored: Stored
    escaped: bool = True
    _streamed: dict[str, str] = attrs.field(init=False, factory=dict)
    _restored: set[str] = attrs.field(init=False, factory=set)
    _step: str = attrs.field(init=False, default="")
    _over: bool = attrs.field(init=False, default=False)
    _held: list[Event] = attrs.field(init=False, factory=list)
    _arguments: dict[str, str] = attrs.field(init=False, factory=dict)

    async def complete(self, batch: Sequence[Event]) -> list[Event]:
        """The batch with what was missing before it."""
        out: list[Event] = []
        for event in batch:
            if isinstance(event, TextDelta | ReasoningDelta) and event.message != self._step:
                out += await self._missing(event.message) if self._step else ()
                self._step = event.message
            elif isinstance(event, Usage | Finish) and not self._over:
                self._over = True
                out += await self._missing("")
            if isinstance(event, ToolCallStart) and event.client_side:
                self._arguments[event.call_id] = ""
            if isinstance(event, ToolArgsDelta) and event.call_id in self._arguments:
                self._arguments[event.call_id] += event.json
                continue
            if isinstance(event, TextDelta):
                before = self._streamed.get(event.message, "")
                self._streamed[event.message] = before + event.text
            out.append(event)
        return self._uncut(out) if self.escaped else out

    def _uncut(self, events: Sequence[Event]) -> list[Event]:
        """All that came, up to the delta in which an unfinished escape begins."""
        events = [*self._held, *events]
        begins, cut, kind = 0, "", None
        for place, event in enumerate(events):
            if isinstance(event, TextDelta | ReasoningDelta):
                if not cut or kind != (type(event), event.message):
                    begins, cut, kind = place, "", (type(event), event.message)
                cut = _split(cut + event.text)[1]
            elif not isinstance(event, Ping):
                cut = ""
        released = begins if cut else len(events)
        self._held = events[released:]
        return events[:released]

    async def _missing(self, current: str) -> list[Event]:
        """What is missing of the steps that are over: of all but `current`."""
        missing: list[Event] = []
        said = await self.stored()
        for message, text in said.texts.items():
            if message == current or message in self._restored:
                continue
            self._restored.add(message)
            streamed = self._streamed.get(message, "")
            rest = remainder(streamed, text) if self.escaped else text.removeprefix(streamed)
            if rest:
                missing.append(TextDelta(rest, message))
        if not current:
            whole = {**self._arguments, **said.arguments}
            calls = [ToolArgsDelta(call_id, whole[call_id]) for call_id in self._arguments]
            missing += [call for call in calls if call.json]
        return missing


def remainder(streamed: str, text: str) -> str:
    """
    What has to follow `streamed`, escaped and cut anywhere, to make up `text`.

    Empty if nothing is missing, or if the two tell different things.
    """
    whole, cut = _split(streamed)
    try:
        said = json.loads(f'"{whole}"', strict=False)
    except ValueError:  # it is not the inside of a JSON string
        return ""
    rest = _after(said, text)
    if not cut:
        return _escaped(rest)
    forms = (form for form in _forms(rest) if form.lower().startswith(cut.lower()))
    return next((form[len(cut) :] for form in forms), "")


def _after(said: str, text: str) -> str:
    """What of `text` comes after `said`, from which Letta may have lost spaces."""
    if text.startswith(said):
        return text[len(said) :]
    at = 0
    for character in said:
        while text[at : at + 1].isspace() and text[at] != character:
            at += 1
        if text[at : at + 1] != character:
            return ""
        at += 1
    return text[at:]


def _split(streamed: str) -> tuple[str, str]:
    """The part that is whole, and an escape at the end that was cut."""
    i = 0
    while i < len(streamed):
        length = _length(streamed, i)
        if i + length > len(streamed):
            break
        i += length
    return streamed[:i], streamed[i:]


def _length(streamed: str, i: int) -> int:
    """How long the character or escape at `i` is, once it is whole."""
    if streamed[i] != "\\":
        return 1
    if streamed[i + 1 : i + 2] != "u":
        return 2
    pair = streamed[i + 2 : i + 4].lower() in {"d8", "d9", "da", "db"}
    return 12 if pair else 6


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _forms(text: str) -> Sequence[str]:
    """The ways in which a model may have begun to escape this text."""
    first = text[:1].encode("utf-16-be", "surrogatepass").hex()
    codes = "".join(f"\\u{first[i : i + 4]}" for i in range(0, len(first), 4))
    return (_escaped(text), codes + _escaped(text[1:]))
