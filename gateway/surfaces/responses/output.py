"""The items of an answer while it comes: each knows the events that announce it.

The agent's own tools are shown as `mcp_call`, which is what a server runs by itself: no client
tries to. Open WebUI shows another form (see `Reply.open_webui`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias

import attrs

from gateway.events import ToolResult
from gateway.surfaces.open_webui import NO_RESULT


# An event of the Responses API: its type, and its fields without the number.
Announced: TypeAlias = tuple[str, dict[str, Any]]

SERVER = "letta"


@attrs.define
class Growing:
    """What all items have: a place, an id, and a text that grows."""

    delta_type: ClassVar[str] = ""

    index: int
    id: str
    status: str = "in_progress"
    _pieces: list[str] = attrs.field(factory=list)

    @property
    def text(self) -> str:
        """All of it so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, text: str) -> None:
        """It has grown."""
        self._pieces.append(text)

    def place(self) -> dict[str, Any]:
        """What says where a delta belongs."""
        return {"item_id": self.id, "output_index": self.index}

    def shown(self) -> dict[str, Any]:
        """The item as it stands."""
        raise NotImplementedError

    def _added(self) -> Announced:
        return "response.output_item.added", {"output_index": self.index, "item": self.shown()}

    def _done(self, status: str) -> Announced:
        self.status = status
        return "response.output_item.done", {"output_index": self.index, "item": self.shown()}


@attrs.define
class Said(Growing):
    """A message of the agent's."""

    delta_type: ClassVar[str] = "response.output_text.delta"

    def opened(self) -> Iterator[Announced]:
        yield self._added()
        yield "response.content_part.added", {**self._at(), "part": self._part("")}

    def place(self) -> dict[str, Any]:
        return {**self._at(), "logprobs": []}

    def close(self, status: str) -> Iterator[Announced]:
        yield "response.output_text.done", {**self.place(), "text": self.text}
        yield "response.content_part.done", {**self._at(), "part": self._part(self.text)}
        yield self._done(status)

    def shown(self) -> dict[str, Any]:
        content = [self._part(self.text)] if self._pieces else []
        item = {"id": self.id, "type": "message", "status": self.status, "role": "assistant"}
        return {**item, "content": content}

    def _at(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


@attrs.define
class Thought(Growing):
    """Reasoning, as a summary: that is where clients look for what people may read."""

    delta_type: ClassVar[str] = "response.reasoning_summary_text.delta"

    def opened(self) -> Iterator[Announced]:
        yield self._added()
        part = {**self.place(), "part": self._part("")}
        yield "response.reasoning_summary_part.added", part

    def place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "summary_index": 0}

    def close(self, status: str) -> Iterator[Announced]:
        part = self._part(self.text)
        yield "response.reasoning_summary_text.done", {**self.place(), "text": self.text}
        yield "response.reasoning_summary_part.done", {**self.place(), "part": part}
        yield self._done(status)

    def shown(self) -> dict[str, Any]:
        summary = [self._part(self.text)] if self._pieces else []
        return {"id": self.id, "type": "reasoning", "summary": summary, "status": self.status}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text", "text": text}


@attrs.define
class Called(Growing):
    """A call of a function: the client's, which it is to run."""

    call_id: str = attrs.field(kw_only=True)
    name: str = attrs.field(kw_only=True)
    delta_type: ClassVar[str] = "response.function_call_arguments.delta"

    def opened(self) -> Iterator[Announced]:
        yield self._added()

    def close(self, status: str) -> Iterator[Announced]:
        named = {"name": self.name, "arguments": self.text}
        yield "response.function_call_arguments.done", {**self.place(), **named}
        yield self._done(status)

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function_call",
            "status": self.status,
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.text,
        }


@attrs.define
class Used(Growing):
    """A tool of the agent's own, which Letta runs."""

    name: str = attrs.field(kw_only=True)
    result: ToolResult | None = attrs.field(kw_only=True, default=None)
    delta_type: ClassVar[str] = "response.mcp_call_arguments.delta"

    def opened(self) -> Iterator[Announced]:
        yield self._added()
        yield "response.mcp_call.in_progress", self.place()

    def close(self, status: str) -> Iterator[Announced]:
        yield "response.mcp_call_arguments.done", {**self.place(), "arguments": self.text}
        ended = "completed" if self.result is not None and self.result.ok else "failed"
        yield f"response.mcp_call.{ended}", self.place()
        yield self._done("incomplete" if self.result is None else ended)

    def shown(self) -> dict[str, Any]:
        result = self.result
        return {
            "id": self.id,
            "type": "mcp_call",
            "status": self.status,
            "server_label": SERVER,
            "name": self.name,
            "arguments": self.text,
            "approval_request_id": None,
            "output": result.output if result is not None and result.ok else None,
            "error": None if result is None or result.ok else _failure(result.output),
        }


def _failure(output: str) -> dict[str, Any]:
    return {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": output}]}


@attrs.define
class Gave(Growing):
    """
    What a tool of the agent's own gave back, beside its call: for Open WebUI alone.

    A call that has its result in the same answer is shown there and not run.
    """

    call_id: str = attrs.field(kw_only=True)
    result: ToolResult | None = attrs.field(kw_only=True)

    def opened(self) -> Iterator[Announced]:
        self.status = "completed" if self.result is not None and self.result.ok else "failed"
        yield self._added()
        yield self._done(self.status)

    def shown(self) -> dict[str, Any]:
        output = NO_RESULT if self.result is None else self.result.output
        return {
            "id": self.id,
            "type": "function_call_output",
            "status": self.status,
            "call_id": self.call_id,
            "output": [{"type": "input_text", "text": output}],
        }
