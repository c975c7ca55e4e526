"""Gathers the bytes of running streams, and has them written when they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import attrs

from gateway import __version__
from gateway.call import Agent
from gateway.json_text import dumps
from gateway.record.folder import STREAM, Folder, new_name
from gateway.record.redact import Redactor


if TYPE_CHECKING:
    from loguru import Logger

# Of one stream no more is kept: it is cut behind its last whole event.
LONGEST = 4 * 1024 * 1024

# All that is in memory at a time, of running streams and of those that wait for the disk.
MOST_HELD = 64 * 1024 * 1024


@attrs.define
class Tape:
    """The bytes of one stream. `whole` is false if not all of them are here."""

    recorder: Recorder
    chunks: list[bytes] = attrs.field(factory=list)
    size: int = 0
    whole: bool = True

    def feed(self, chunk: bytes) -> None:
        """Keep these bytes, if there is room."""
        recorder, size = self.recorder, len(chunk)
        if self.whole and self.size + size <= LONGEST and recorder.held + size <= MOST_HELD:
            self.chunks.append(chunk)
            self.size += size
            recorder.held += size
        else:
            self.whole = False

    @property
    def data(self) -> bytes:
        """All of them; what was cut ends behind an event, and may have none."""
        data = b"".join(self.chunks)
        if self.whole:
            return data
        events, end, _ = data.rpartition(b"\n\n")
        return events + end


@attrs.define
class Recorder:
    """
    Keeps streams in a folder until it cannot: then it says so once, and stops.

    `redacted` takes the texts out; without it they are kept as they are.
    """

    folder: Folder
    logger: Logger
    redacted: bool = True
    held: int = attrs.field(init=False, default=0)
    _thread: ThreadPoolExecutor = attrs.field(init=False)
    _stopped: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "recorder")

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.folder.open)
        text = "Letta's streams are kept in {}, {}"
        shown = "without their texts" if self.redacted else "with all that is said in them"
        self.logger.info(text, self.folder.path, shown)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    @contextmanager
    def keeping(
        self, agent: Agent | None, path: str, body: Mapping[str, Any]
    ) -> Iterator[Tape | None]:
        """The tape of a stream that begins now; it is written when the block is left."""
        if self._stopped:
            yield None
            return
        name, tape = new_name(), Tape(self)
        try:
            yield tape
        finally:
            self._hand_over(name, tape, _facts(agent), path, body)

    def _hand_over(
        self,
        name: str,
        tape: Tape,
        agent: Mapping[str, Any],
        path: str,
        body: Mapping[str, Any],
    ) -> None:
        request = {"method": "POST", "path": path, "request_headers": {}, "body": body}
        try:
            loop = asyncio.get_running_loop()
            asked = {**request, "agent": agent}
            writing = loop.run_in_executor(self._thread, self._write, name, tape, asked)
        except RuntimeError:  # the gateway has stopped
            self._written(tape)
        else:
            writing.add_done_callback(lambda _: self._written(tape))

    def _written(self, tape: Tape) -> None:
        self.held -= tape.size

    def _write(self, name: str, tape: Tape, asked: dict[str, Any]) -> None:
        """In the thread."""
        if self._stopped or not (data := tape.data):
            return
        try:
            if self.redacted:
                redactor = Redactor()
                data, asked["body"] = redactor.stream(data), redactor.body(asked["body"])
            asked["recorded"] = {
                "by": f"letta-gateway {__version__}",
                "texts": "redacted" if self.redacted else "kept",
                "whole": tape.whole,
            }
            asked["response"] = {"status": 200, "file": f"{name}{STREAM}"}
            self.folder.put(name, data, dumps(asked))
        except Exception as exc:  # noqa: BLE001  no answer fails for the sake of its recording
            self._stop(exc)

    def _stop(self, exc: Exception) -> None:
        self._stopped = True
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        text = "no more streams are kept: {} cannot be written ({})"
        self.logger.warning(text, self.folder.path, why)


def _facts(agent: Agent | None) -> Mapping[str, Any]:
    """What decides how the stream is read. Names and tags may be somebody's."""
    if agent is None:
        return {}
    return {
        "id": agent.id,
        "type": agent.type,
        "model": agent.model,
        "parallel_tools": agent.parallel_tools,
    }
