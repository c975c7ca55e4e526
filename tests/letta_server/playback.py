"""Play one step in time: pauses, gates, and the ways in which a stream breaks."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs

from tests.letta_server import answer
from tests.letta_server.script import Step


Json = dict[str, Any]


class Dropped(Exception):
    """The connection ends here, in the middle of what was being said."""


@attrs.frozen
class Playback:
    """One answer to one request."""

    step: Step
    request: Json
    gates: Mapping[str, asyncio.Event]

    async def whole(self) -> Json:
        """The answer of a request that does not stream."""
        await self._reach(self.step.after)
        await asyncio.sleep(self.step.delay * len(answer.deltas(self.step)))
        choice = {
            "index": 0,
            "message": answer.message(self.step),
            "finish_reason": answer.finish_reason(self.step),
            "logprobs": None,
        }
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": answer.usage(self.step, self.request)}

    async def chunks(self) -> AsyncIterator[bytes]:
        """What follows each `data: ` of a stream."""
        head = self._head("chat.completion.chunk")
        yield _chunk(head, {"role": "assistant", "content": ""})
        for place, delta in enumerate(answer.deltas(self.step)):
            await self._reach(place)
            if place == self.step.after and self.step.broken == "sse":
                yield b'{"error": {"message": "scripted mid-stream error", "code": 500}}'
                return
            if place == 1 and self.step.malformed:
                yield b"{not json"
            await asyncio.sleep(self.step.delay)
            yield _chunk(head, delta)
        yield _chunk(head, {}, answer.finish_reason(self.step))
        if usage := self._usage_wanted():
            yield json.dumps({**head, "choices": [], "usage": usage}).encode()
        yield b"[DONE]"

    async def _reach(self, place: int) -> None:
        """Stop where the step says that the answer stops."""
        if place != self.step.after:
            return
        if self.step.gate:
            await self.gates[self.step.gate].wait()
        if self.step.broken == "hang":
            await asyncio.Event().wait()
        if self.step.broken == "drop":
            raise Dropped

    def _usage_wanted(self) -> Json | None:
        options = self.request.get("stream_options") or {}
        return answer.usage(self.step, self.request) if options.get("include_usage") else None

    def _head(self, kind: str) -> Json:
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": self.request.get("model"),
        }


def _chunk(head: Json, delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return json.dumps({**head, "choices": [choice]}, ensure_ascii=False).encode()
