"""Deltas become the bytes of `chat.completion.chunk`s, and of the whole `chat.completion`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from gateway.call import Reply
from gateway.events import Error, Event, Finish, Usage
from gateway.json_text import dumps
from gateway.surfaces import openai_errors
from gateway.surfaces.deltas import Deltas, Whole, finish_of
from gateway.surfaces.open_webui import Frames


DONE = b"data: [DONE]\n\n"


@attrs.define
class Chunks:
    """
    Encodes one streamed answer.

    What is the same in every chunk is rendered once; a chunk is its head, its delta and a
    tail, and where its delta is a text, that text between what always stands around it.
    `id`, `model` and the rest come from the gateway: agent data never decides a top-level key
    of a chunk.
    """

    id: str
    model: str
    reply: Reply
    include_usage: bool = False
    created: int = attrs.field(factory=lambda: int(time.time()))
    _deltas: Deltas = attrs.field(init=False)
    _frames: Frames | None = attrs.field(init=False)
    _usage: Usage | None = attrs.field(init=False, default=None)
    _head: bytes = attrs.field(init=False)
    _tail: bytes = attrs.field(init=False)
    _around: dict[tuple[str, ...], Sequence[bytes]] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._deltas = Deltas(self.reply)
        self._frames = Frames(self.reply.open_webui) if self.reply.open_webui else None
        shared = dumps(_shared(self.id, "chat.completion.chunk", self.created, self.model))
        self._head = b"data: " + shared[:-1] + b',"choices":[{"index":0,"delta":'
        usage = b',"usage":null' if self.include_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"

    def encode(self, batch: Sequence[Event]) -> bytes:
        """The bytes of a batch; the ending brings `[DONE]`."""
        out: list[bytes] = []
        for event in batch:
            if self._frames is not None:
                out += self._framed(self._frames, event)
            delta = self._deltas.feed(event)
            if isinstance(delta, tuple):
                fields, text = delta
                out.append(dumps(text).join(self._around.get(fields) or self._surround(fields)))
                continue
            if delta is not None:
                out += (self._head, dumps(delta), self._tail)
            if isinstance(event, Usage):
                self._usage = event
            elif isinstance(event, Finish):
                out += self._finish(event)
            elif isinstance(event, Error):
                out += (b"data: ", dumps(openai_errors.of_event(event)), b"\n\n", DONE)
        return b"".join(out)

    def _surround(self, fields: tuple[str, ...]) -> Sequence[bytes]:
        """What stands around a text in these fields of a delta, before, between and after."""
        first, *others = (dumps(name) + b":" for name in fields)
        between = [b"," + name for name in others]
        around = [self._head + b"{" + first, *between, b"}" + self._tail]
        return self._around.setdefault(fields, around)

    def _framed(self, frames: Frames, event: Event) -> Iterator[bytes]:
        for frame in frames.feed(event):
            chunk = _shared(self.id, "chat.completion.chunk", self.created, self.model)
            yield b"data: " + dumps({**chunk, "choices": [], **frame}) + b"\n\n"

    def _finish(self, event: Finish) -> Sequence[bytes]:
        tail = self._tail.replace(
            b"null}]", b'"' + finish_of(event, self.reply).encode() + b'"}]', 1
        )
        out = [self._head, b"{}", tail]
        if self.include_usage and self._usage is not None:
            chunk = _shared(self.id, "chat.completion.chunk", self.created, self.model)
            chunk |= {"choices": [], "usage": usage_of(self._usage)}
            out += [b"data: ", dumps(chunk), b"\n\n"]
        return [*out, DONE]


@attrs.define
class Completion:
    """Folds the same events into one `chat.completion`. `error` is set when it failed."""

    id: str
    model: str
    reply: Reply
    created: int = attrs.field(factory=lambda: int(time.time()))
    error: Error | None = attrs.field(init=False, default=None)
    _deltas: Deltas = attrs.field(init=False)
    _whole: Whole = attrs.field(init=False, factory=Whole)
    _usage: Usage | None = attrs.field(init=False, default=None)
    _finish: Finish = attrs.field(init=False, factory=Finish)

    def __attrs_post_init__(self) -> None:
        self._deltas = Deltas(self.reply)

    def add(self, batch: Sequence[Event]) -> None:
        """Fold a batch in."""
        for event in batch:
            delta = self._deltas.feed(event)
            if delta is not None:
                self._whole.add(delta)
            if isinstance(delta, tuple):
                continue
            match event:
                case Usage():
                    self._usage = event
                case Finish():
                    self._finish = event
                case Error():
                    self.error = event

    def body(self) -> dict[str, Any]:
        """The whole answer."""
        choice = {
            "index": 0,
            "message": {**self._whole.message, "refusal": None},
            "logprobs": None,
            "finish_reason": finish_of(self._finish, self.reply),
        }
        body = _shared(self.id, "chat.completion", self.created, self.model)
        body["choices"] = [choice]
        if self._usage is not None:
            body["usage"] = usage_of(self._usage)
        return body


def usage_of(usage: Usage) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }


def _shared(id: str, object: str, created: int, model: str) -> dict[str, Any]:
    return {"id": id, "object": object, "created": created, "model": model}
