"""A stream as a client is sent it, read more strictly than any client reads it."""

from __future__ import annotations

import json
from typing import Any

import attrs


Json = dict[str, Any]


@attrs.define
class Answer:
    """
    What has come so far.

    `frames` are the `data:` objects, `comments` the keepalive lines, `done` is `[DONE]`.
    """

    frames: list[Json] = attrs.field(factory=list)
    comments: int = 0
    done: bool = False

    def line(self, line: bytes) -> None:
        """Read one line."""
        match line.removesuffix(b"\n"):
            case b"":
                return
            case b": ping":
                self.comments += 1
            case b"data: [DONE]":
                self.done = True
            case data:
                assert data.startswith(b"data: {"), data
                assert not self.done, f"after [DONE]: {data!r}"
                self.frames.append(json.loads(data.removeprefix(b"data: ")))

    @property
    def choices(self) -> list[Json]:
        return [choice for frame in self.frames for choice in frame.get("choices", ())]

    @property
    def deltas(self) -> list[Json]:
        return [choice["delta"] for choice in self.choices]

    @property
    def pieces(self) -> list[str]:
        """The text, delta by delta."""
        return [text for delta in self.deltas if (text := delta.get("content"))]

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def reasoning(self) -> str:
        return "".join(delta.get("reasoning_content") or "" for delta in self.deltas)

    @property
    def errors(self) -> list[Json]:
        return [frame["error"] for frame in self.frames if "error" in frame]

    @property
    def usage(self) -> Json | None:
        return next((frame["usage"] for frame in self.frames if frame.get("usage")), None)

    def check(self, finish: str = "stop") -> None:
        """A good answer: a role at its start, one reason at its end, no tool call, no error."""
        assert not self.errors
        assert [place for place, delta in enumerate(self.deltas) if "role" in delta] == [0]
        reasons = [choice["finish_reason"] for choice in self.choices]
        assert reasons == [None] * (len(reasons) - 1) + [finish]
        assert not any("tool_calls" in delta for delta in self.deltas)
        assert self.done
