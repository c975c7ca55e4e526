r"""What is taken out of a stream before it is kept.

Texts are user data: letters become x (X where they are capital) and digits 0. Their lengths,
white space, punctuation and the escapes in them stay, so that a `\n` in the place of a line
break can still be seen. What the gateway itself goes by stays as it is: names of fields and of
tools, ids, times, types, reasons for stopping, counts of tokens.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import attrs


# Whatever else is text may be the user's.
KEPT = frozenset(
    {
        "agent_id", "date", "error_type", "id", "max_steps", "message_type", "object", "otid",
        "role", "run_id", "sender_id", "seq_id", "source", "state", "status", "step_id",
        "stop_reason", "tool_call_id", "type",
    }
)  # fmt: skip

# The fields of a server-sent event; a comment's has no name. All else is no stream of Letta's.
FIELDS = frozenset({"", "data", "event", "id", "retry"})

# In these, `name` is the name of a tool.
TOOLS = frozenset(
    {"client_tools", "tool_call", "tool_calls", "tool_return_message", "tool_returns"}
)

# What Letta says in its errors, and the gateway tells them apart by.
WORDS = re.compile(
    r"(waiting for approval|No tool call is currently awaiting approval|Invalid tool call IDs"
    r"|\AError code: \d{3}\b|\AINVALID_ARGUMENT|CONTEXT_WINDOW_EXCEEDED|context_length_exceeded"
    r"|context window)"
)

_ESCAPE = re.compile(r"(\\(?:[bfnrt]|u[0-9a-fA-F]{4}))")
_CUT = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")


# What stands for a letter that is written as an escape, and for one whose escape is cut.
_ESCAPED = "\\u0078"


class _Blanks(dict[int, str]):
    """For `str.translate`: what stands for a character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        blank = {"L": "x", "M": "x", "N": "0"}.get(category[0], character)
        self[code] = "X" if category == "Lu" else blank
        return self[code]


_BLANKS = _Blanks()


def blank(text: str, before: str = "") -> str:
    """`text` without its letters and digits; `before` is an escape that was cut ahead of it."""
    whole = before + text
    cut = _cut(whole)
    parts = _ESCAPE.split(whole[: len(whole) - len(cut)])
    parts[::2] = [part.translate(_BLANKS) for part in parts[::2]]
    parts[1::2] = map(_escape, parts[1::2])
    if len(before) > 1 and len(parts) > 1:
        parts[1] = _ESCAPED  # some of its digits have been shown already
    return ("".join(parts) + _ESCAPED[: len(cut)])[len(before) :]


def _escape(escape: str) -> str:
    if escape[1] != "u":
        return escape
    return f"\\u{ord(_BLANKS[int(escape[2:6], 16)]):04x}"


def _cut(text: str) -> str:
    """The escape that a text ends in the middle of."""
    found = _CUT.search(text)
    return found[0] if found else ""


@attrs.define
class Redactor:
    """Redacts one stream. The pieces of a text are one text: an escape may be cut by two."""

    _cuts: dict[str, str] = attrs.field(init=False, factory=dict)

    def stream(self, data: bytes) -> bytes:
        """The bytes of a stream, event by event."""
        lines = data.decode(errors="replace").split("\n")
        return "\n".join(map(self._line, lines)).encode(errors="replace")

    def body(self, body: Mapping[str, Any]) -> Any:
        """The body of a request."""
        return self._value(body, ())

    def _line(self, line: str) -> str:
        field, colon, value = line.partition(":")
        if not colon or field not in FIELDS:
            return blank(line)
        if field == "event" or value.strip() == "[DONE]":
            return line
        if field != "data":
            return f"{field}:{blank(value)}"
        space = " " if value.startswith(" ") else ""
        return f"data:{space}{self._data(value.strip())}"

    def _data(self, data: str) -> str:
        try:
            return self._frame(json.loads(data))
        except (ValueError, RecursionError):
            return blank(data)

    def _frame(self, frame: Any) -> str:
        kind = str(frame.get("message_type")) if isinstance(frame, Mapping) else ""
        redacted = frame if kind == "usage_statistics" else self._value(frame, (kind,))
        text = json.dumps(redacted, ensure_ascii=False, separators=(",", ":"))
        # Half a surrogate pair, as a model may cut it, can only be written as an escape.
        return text if _encodes(text) else json.dumps(redacted, separators=(",", ":"))

    def _value(self, value: Any, at: tuple[str, ...]) -> Any:
        match value:
            case Mapping():
                at = (*at, str(value.get("tool_call_id") or value.get("id") or ""))
                return {key: self._field(key, one, at) for key, one in value.items()}
            case list():
                return [self._value(one, at) for one in value]
            case str():
                return self._text(value, at)
            case bool() | None:
                return value
        return 0

    def _field(self, key: str, value: Any, at: tuple[str, ...]) -> Any:
        kept = key in KEPT or (key == "name" and not TOOLS.isdisjoint(at))
        if kept and not isinstance(value, Mapping | list):
            return value
        if key == "data" and isinstance(value, str):  # of an image: it is long, and says nothing
            return ""
        if at[0] == "error_message" and isinstance(value, str):
            return "".join(_but_words(value))
        return self._value(value, (*at, key))

    def _text(self, text: str, at: tuple[str, ...]) -> str:
        channel = "/".join(at)
        before = self._cuts.pop(channel, "")
        if cut := _cut(before + text):
            self._cuts[channel] = cut
        return blank(text, before)


def _but_words(text: str) -> Iterable[str]:
    for i, part in enumerate(WORDS.split(text)):
        yield part if i % 2 else blank(part)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
