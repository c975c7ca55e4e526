"""Frames of Open WebUI's own, beside the deltas: what its users see of the agent's tools.

Open WebUI reads two more shapes in a stream of chunks: a top-level `event`, and items of the
Responses API. Some kinds of them run code in the user's browser, so this is the only place
that writes their keys and kinds; what an agent says stands in the texts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from gateway.events import (
    Error,
    Event,
    Finish,
    Status,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
)


# Top-level keys of a chunk.
Frame: TypeAlias = Mapping[str, Any]

NO_RESULT = "The answer ended before the tool had a result."


@attrs.define
class Frames:
    """
    The frames of one answer, of these `kinds` (see `gateway.call.Reply.open_webui`).

    What was begun is ended before the answer is: Open WebUI runs a call that has no result
    itself, and shows a status that is not done for ever.
    """

    kinds: Sequence[str]
    _running: dict[str, Running] = attrs.field(factory=dict)
    _status: str | None = None

    def feed(self, event: Event) -> Iterable[Frame]:
        """The frames of an event; most have none."""
        match event:
            case Status(text, done) if "status" in self.kinds:
                self._status = None if done else text
                return (_status(text, done=done),)
            case ToolCallStart(call_id, name, False) if "tools" in self.kinds:
                running = self._running[call_id] = Running(call_id, name)
                return (running.call("in_progress"),)
            case ToolArgsDelta(call_id, json) if call_id in self._running:
                self._running[call_id].arguments += json
            case ToolResult(call_id, output, ok) if call_id in self._running:
                return self._running.pop(call_id).ended(output, ok=ok)
            case Finish() | Error():
                return self._end()
        return ()

    def _end(self) -> Iterator[Frame]:
        for running in self._running.values():
            yield from running.ended(NO_RESULT, ok=False)
        if self._status is not None:
            yield _status(self._status, done=True)


@attrs.define
class Running:
    """A tool that Letta runs."""

    call_id: str
    name: str
    arguments: str = ""

    def call(self, status: str) -> Frame:
        """The call; one with the same id stands instead of the one before."""
        return _item(
            type="function_call",
            id=f"fc_{self.call_id}",
            call_id=self.call_id,
            name=self.name,
            arguments=self.arguments,
            status=status,
        )

    def ended(self, output: str, *, ok: bool) -> Sequence[Frame]:
        """The call with its arguments, and its result."""
        status = "completed" if ok else "failed"
        result = _item(
            type="function_call_output",
            id=f"fco_{self.call_id}",
            call_id=self.call_id,
            output=[{"type": "input_text", "text": output}],
            status=status,
        )
        return self.call(status), result


def _item(**item: object) -> Frame:
    return {"type": "response.output_item.added", "item": item}


def _status(text: str, *, done: bool) -> Frame:
    return {"event": {"type": "status", "data": {"description": text, "done": done}}}
