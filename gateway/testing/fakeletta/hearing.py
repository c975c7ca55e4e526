"""Putting together what the model says, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from gateway.testing.fakeletta.history import ToolCall
from gateway.testing.fakeletta.steps import CallPart, Chunk, Reason, Say


@attrs.define
class Heard:
    """What the model has said so far in this step."""

    chunks: list[Chunk] = attrs.Factory(list)
    reason: str = ""
    text: str = ""
    _calls: dict[int, ToolCall] = attrs.Factory(dict)

    @classmethod
    def of(cls, chunks: Iterable[Chunk]) -> Heard:
        """All of it at once."""
        heard = cls()
        for chunk in chunks:
            heard.take(chunk)
        return heard

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls, in the order in which they began."""
        return tuple(self._calls.values())

    def take(self, chunk: Chunk) -> None:
        """The next chunk."""
        self.chunks.append(chunk)
        match chunk:
            case Reason(text):
                self.reason += text
            case Say(text):
                self.text += text
            case _:
                for part in chunk:
                    self._take(part)

    def call_id(self, part: CallPart) -> str:
        """The id of the call that a part belongs to; only its head carries it."""
        return self._calls[part.index].id

    def name(self, part: CallPart) -> str:
        """The name of the tool that a part's call is for."""
        return self._calls[part.index].name

    def _take(self, part: CallPart) -> None:
        call = self._calls.get(part.index, ToolCall("", "", ""))
        self._calls[part.index] = ToolCall(
            call.id or part.id, call.name or part.name, call.arguments + part.args
        )


@attrs.define
class Numbers:
    """Numbers the parts of a step's message: each change of the type is a new part."""

    _at: int = 0
    _type: str = ""

    def of(self, type: str) -> int:
        """The number of a part of this type that comes now."""
        if self._type and type != self._type:
            self._at += 1
        self._type = type
        return self._at
