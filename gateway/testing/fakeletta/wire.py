"""A run's stream on its way to a client: pings, and whatever is to go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import attrs
from aiohttp import web

from gateway.testing.fakeletta import frames
from gateway.testing.fakeletta.faults import Fault
from gateway.testing.fakeletta.state import Run


_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8"}
_UNKNOWN = frames.encode({"message_type": "unheard_of_message", "novelty": [1, {"two": None}]})
_MALFORMED = b'data: {"message_type":"assistant_message","content":"cut o\n\n'


@attrs.frozen
class Reading:
    """How a client reads a run: from which event on, and with which pings."""

    run: Run
    start: int = 0
    pings: bool = True
    ping_seconds: float = 20.0

    async def blocks(self) -> AsyncIterator[bytes]:
        """The run's events; a ping after each silence of `ping_seconds`."""
        seen, run = self.start, self.run
        wait = self.ping_seconds if self.pings else None
        while True:
            while seen < len(run.blocks):
                yield run.blocks[seen]
                seen += 1
            if run.over:
                return
            if not await run.more(seen, wait):
                yield frames.encode(frames.ping(run.id))


async def send(
    request: web.Request, reading: Reading, fault: Fault | None = None
) -> web.StreamResponse:
    """Stream a run to the client. The headers go out with its first event, not before."""
    fault = fault or Fault()
    response = web.StreamResponse(headers=_HEADERS)
    try:
        async for block in _troubled(reading, fault):
            await _write(request, response, block, fault)
        if not response.prepared:
            await response.prepare(request)
        await response.write_eof()
    except _Dropped:
        await _drop(request, response)
    except ConnectionError:
        pass  # The client has left; the run goes on.
    except _Stalled:
        await _until_left(request)
    return response


class _Dropped(Exception):
    """The connection is to be closed now."""


class _Stalled(Exception):
    """Nothing more is to come."""


async def _troubled(reading: Reading, fault: Fault) -> AsyncIterator[bytes]:
    count = 0
    async for block in reading.blocks():
        if count == fault.after and fault.then:
            for extra in _trouble(reading.run, fault):
                yield extra
            if fault.then in {"end", "error"}:
                return
        count += 1
        if fault.done or block != frames.DONE:
            yield block


def _trouble(run: Run, fault: Fault) -> tuple[bytes, ...]:
    match fault.then:
        case "drop":
            raise _Dropped
        case "stall":
            raise _Stalled
        case "unknown":
            return (_UNKNOWN,)
        case "malformed":
            return (_MALFORMED,)
        case "error":
            what = "An error occurred during agent execution."
            error = frames.error(run.id, "internal_error", what, "An error on purpose")
            stops = (frames.stop("error"), frames.stop("llm_api_error"))
            return (*map(frames.encode, stops), frames.encode(error, "error"))
        case _:
            return ()


async def _write(
    request: web.Request, response: web.StreamResponse, block: bytes, fault: Fault
) -> None:
    if not response.prepared:
        await response.prepare(request)
    size = fault.chop or len(block)
    for at in range(0, len(block), size):
        await response.write(block[at : at + size])
        if fault.chop or fault.pause:
            # One write, one packet: the client's reads are cut here too, mostly.
            await asyncio.sleep(fault.pause)


async def _drop(request: web.Request, response: web.StreamResponse) -> None:
    if not response.prepared:
        await response.prepare(request)
    if request.transport is not None:
        request.transport.close()


async def _until_left(request: web.Request) -> None:
    # aiohttp tells nobody when a client leaves.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
