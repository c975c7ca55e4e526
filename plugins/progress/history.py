"""What a client's history holds of earlier progress, and how it is taken out again.

Clients resend what they were shown. An agent that reads lines about tools among its own
words soon writes such lines itself, and calls no tool; and what Open WebUI was shown of a
tool comes back as calls and results that nobody is waiting for.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence

import attrs

from gateway.plugin import Message, Part, Text


_SHOWN = re.compile(r".+-shown[0-9a-f]{12}\Z", re.DOTALL)

LONGEST_LINE = 200


def shown_id(call_id: str) -> str:
    """The id under which a tool of the agent's own is shown: a new one each time."""
    return f"{call_id}-shown{secrets.token_hex(6)}"


def is_shown(call_id: str | None) -> bool:
    """Whether this is such an id."""
    return call_id is not None and _SHOWN.match(call_id) is not None


@attrs.define
class History:
    """Takes out what was only shown; `mark` begins the lines of progress."""

    mark: str
    _lines: re.Pattern[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lines = re.compile(rf"^{re.escape(self.mark)}[^\n]*\n*", re.MULTILINE)

    def line(self, text: str) -> str:
        """A line that can be taken out again, whatever the text."""
        return self.mark + " ".join(text.split())[:LONGEST_LINE]

    def cleaned(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages without it. Those of the assistant stay, though nothing be left."""
        return tuple(kept for message in messages for kept in self._cleaned(message))

    def _cleaned(self, message: Message) -> Iterator[Message]:
        if message.role == "assistant":
            calls = tuple(call for call in message.tool_calls if not is_shown(call.id))
            parts = tuple(self._part(part) for part in message.parts)
            yield attrs.evolve(message, parts=parts, tool_calls=calls)
        elif not (message.role == "tool" and is_shown(message.tool_call_id)):
            yield message

    def _part(self, part: Part) -> Part:
        if not isinstance(part, Text) or self.mark not in part.text:
            return part
        text, lines = self._lines.subn("", part.text)
        return Text(text.rstrip("\n")) if lines else part
