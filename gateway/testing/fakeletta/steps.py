"""What the scripted model says: one `Step` is its answer to one call.

A script is a list of steps: the first answers the user's message, the second is asked for
after the first step's tools have run, and so on. After the last step it says "done".
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import attrs


Break: TypeAlias = Literal["", "drop", "sse", "hang"]


@attrs.frozen
class ToolUse:
    """
    The model calls a tool.

    Args:
        args: An object, or the text of one as it is (it may be broken JSON).
        id: The call's id; by default a new one each time.
        frag: Characters per fragment of the arguments.
    """

    name: str
    args: Mapping[str, Any] | str = attrs.field(factory=dict)
    id: str | None = None
    frag: int = 6

    @property
    def json(self) -> str:
        """The arguments as text."""
        return self.args if isinstance(self.args, str) else json.dumps(self.args)


@attrs.frozen
class Step:
    """
    One answer of the model.

    Args:
        text: What it says; a tuple of texts sets where it is cut.
        reason: What it thinks before.
        n: Characters per chunk of text and reasoning.
        tools: The tools it calls after that.
        interleave: Whether the arguments of several calls come by turns.
        rawtool: A call by its name and exact fragments of its arguments.
        pre: Seconds before the first chunk.
        delay: Seconds before each chunk.
        status: Fail with this HTTP status instead, `times` times or always.
        msg: The failure's message, with its `code`.
        breaks: After `after` chunks close the connection (`drop`), send an error object
            (`sse`) or fall silent for good (`hang`).
        malformed: Send broken JSON after the first chunk.
        finish: The finish reason; by default the one that fits.
        usage: OpenAI's usage object; by default the chunks are counted. None: no usage.
        sm: Characters per fragment when the text travels as a tool's argument.
    """

    text: str | tuple[str, ...] = ""
    reason: str = ""
    n: int = 8
    tools: tuple[ToolUse, ...] = ()
    interleave: bool = False
    rawtool: tuple[str, tuple[str, ...]] | None = None
    pre: float = 0.0
    delay: float = 0.0
    status: int = 0
    times: int | None = None
    msg: str = ""
    code: str | None = None
    breaks: Break = ""
    after: int = 0
    malformed: bool = False
    finish: str = ""
    usage: Mapping[str, Any] | Literal["counted"] | None = "counted"
    sm: int = 0

    @property
    def said(self) -> str:
        """The whole text."""
        return "".join(self.text)


@attrs.frozen
class Reason:
    """A chunk of reasoning."""

    text: str


@attrs.frozen
class Say:
    """A chunk of text."""

    text: str


@attrs.frozen
class CallPart:
    """A chunk of a tool call: its head (id and name) or a fragment of its arguments."""

    index: int
    id: str = ""
    name: str = ""
    args: str = ""


Chunk: TypeAlias = Reason | Say | tuple[CallPart, ...]


def from_json(data: Mapping[str, Any]) -> Step:
    """A step as scripts in messages write it: `{"text": …, "tools": […], "break": "drop"}`."""
    known = {field.name for field in attrs.fields(Step)}
    fields = {key: value for key, value in data.items() if key in known and value is not None}
    if isinstance(fields.get("text"), list):
        fields["text"] = tuple(fields["text"])
    if "rawtool" in fields:
        name, fragments = fields["rawtool"]
        fields["rawtool"] = (name, tuple(fragments))
    fields["tools"] = tuple(ToolUse(**tool) for tool in data.get("tools") or ())
    fields["breaks"] = data.get("break", "")
    fields["usage"] = data.get("usage", "counted")
    return Step(**fields)


def chunks(step: Step) -> list[Chunk]:
    """The step cut as the model streams it."""
    return [
        *map(Reason, cut(step.reason, step.n)),
        *map(Say, cut(step.text, step.n)),
        *_calls(step),
    ]


def cut(text: str | tuple[str, ...], size: int) -> tuple[str, ...]:
    """A text in pieces of `size` characters; pieces stay as they are."""
    if isinstance(text, tuple):
        return text
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def _calls(step: Step) -> Iterator[tuple[CallPart, ...]]:
    calls = [list(_call(index, use)) for index, use in enumerate(step.tools)]
    if step.rawtool:
        name, fragments = step.rawtool
        calls.insert(0, [_head(0, None, name), *(CallPart(0, args=text) for text in fragments)])
    if step.interleave:
        for row in zip_longest(*calls):
            yield tuple(part for part in row if part)
        return
    for call in calls:
        yield from ((part,) for part in call)


def _call(index: int, use: ToolUse) -> Iterator[CallPart]:
    yield _head(index, use.id, use.name)
    for text in cut(use.json, use.frag):
        yield CallPart(index, args=text)


def _head(index: int, id: str | None, name: str) -> CallPart:
    return CallPart(index, f"call_{time.time_ns()}" if id is None else id, name)
