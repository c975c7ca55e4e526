"""A run that is read past its iteration gives what it gives otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from gateway.call import Agent, Tool
from gateway.events import Event, Finish, Ping, TextDelta
from gateway.letta import failures
from gateway.letta.run import LettaRun
from gateway.pipeline.reader import Reader
from gateway.services import LoopClock
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import until
from tests.gateway.letta.conftest import CALL
from tests.gateway.letta.decoding import STREAMS, bytewise, decoded, tools_of
from tests.gateway.letta.loopback import (
    CANCELLED,
    DONE,
    PING,
    RUN_ID,
    SOON,
    STOP,
    TEXT,
    Drop,
    connected,
    play,
    reply,
)


HI = TextDelta("Hi", "message-1")


def reader_of(run: LettaRun) -> Reader:
    return Reader(aiter(run), LoopClock(), run.shortcut)


async def read(run: LettaRun) -> list[Event]:
    """All events, as the pipeline reads them."""
    reader, events = reader_of(run), list[Event]()
    while not reader.exhausted:
        events += await reader.take(None)
    events += await reader.take(None)
    await reader.aclose()
    assert reader.failure is None
    assert_grammar(events)
    return events


async def test_every_recording(server, letta):
    """Cut in the middle of each write, and in one piece."""
    for recording in STREAMS:
        data, names = recording.data, tools_of(recording)
        halves = (data[: len(data) // 2], data[len(data) // 2 :])
        call = attrs.evolve(CALL, offered=tuple(Tool(name) for name in names))
        for chunks in ((data,), halves):
            server.on("POST", "/messages", play(*chunks))
            assert await read(letta.ask(call)) == decoded([data], names), recording.name


async def test_one_byte_per_write(server, letta):
    """How the network cuts the stream does not matter."""
    server.on("POST", "/messages", play(*bytewise(PING + TEXT + TEXT + STOP + DONE)))
    assert await read(letta.ask(CALL)) == [Ping(), HI, HI, Finish()]


async def test_it_is_taken(server, letta):
    """From the first batch on, once the run's id is known; and no more at the end."""
    more = asyncio.Event()
    server.on("POST", "/messages", play(PING, more, TEXT + STOP + DONE))
    run = letta.ask(CALL)
    assert run.shortcut() is None
    batches = aiter(run)
    assert await anext(batches) == [Ping()]
    shortcut = run.shortcut()
    assert shortcut is not None
    more.set()
    assert await shortcut.read() == [HI]
    assert await shortcut.read() is None
    assert await anext(batches) == [Finish()]


async def test_not_before_the_runs_id_is_known(server, letta):
    """Who cancels waits for it, and somebody has to read meanwhile."""
    nameless = PING.replace(RUN_ID.encode(), b"")
    server.on("POST", "/messages", play(nameless, STOP + DONE))
    run = letta.ask(CALL)
    batches = aiter(run)
    assert await anext(batches) == [Ping()]
    assert run.shortcut() is None
    assert [event async for batch in batches for event in batch] == [Finish()]


async def test_not_for_an_older_agent(server, letta):
    """What its stream lost is asked for in between."""
    server.on("POST", "/messages", play(PING, STOP + DONE))
    server.on("GET", "/messages", reply([]))
    run = letta.ask(attrs.evolve(CALL, agent=Agent("agent-1", "Milo", "memgpt_agent")))
    batches = aiter(run)
    await anext(batches)
    assert run.shortcut() is None
    assert [event async for batch in batches for event in batch] == [Finish()]


async def test_the_connection_is_used_again(server, letta):
    """The iteration reads what is left."""
    seen = set()

    async def answer(request):
        seen.add(request.transport.get_extra_info("peername"))
        return await play(PING, TEXT, STOP, DONE)(request)

    server.on("POST", "/messages", answer)
    for _ in range(20):
        await read(letta.ask(CALL))
    assert len(seen) == 1


async def test_a_tape(server, letta):
    """It has every byte, those behind `[DONE]` too."""
    taken: list[bytes] = []

    class Tape:
        def feed(self, chunk: bytes) -> None:
            taken.append(chunk)

    class Tapes:
        @contextmanager
        def keeping(
            self, agent: Agent | None, path: str, body: Mapping[str, Any]
        ) -> Iterator[Tape]:
            yield Tape()

    stream = PING + TEXT + STOP + DONE + b": bye\n\n"
    server.on("POST", "/messages", play(*bytewise(stream)))
    await read(attrs.evolve(letta, recorder=Tapes()).ask(CALL))
    assert b"".join(taken) == stream


class TestFailure:
    async def test_dropped(self, server, letta):
        """What came stands, and the ending is an error."""
        server.on("POST", "/messages", play(PING, TEXT, Drop()))
        assert await read(letta.ask(CALL)) == [Ping(), HI, failures.incomplete()]

    async def test_dropped_while_nobody_reads(self, server, letta):
        """The same: what came is still there."""
        more = asyncio.Event()
        server.on("POST", "/messages", play(PING, more, TEXT, Drop()))
        run = letta.ask(CALL)
        reader = reader_of(run)
        assert await reader.take(None) == [Ping()]
        shortcut = run.shortcut()
        assert shortcut is not None
        assert shortcut.stream.body is not None
        content = shortcut.stream.body.response.content
        more.set()
        await until(lambda: content.exception() is not None)
        assert await reader.take(None) == [HI]
        assert await reader.take(None) == [failures.incomplete()]
        await reader.aclose()

    async def test_silence(self, server):
        """The iteration says so."""
        server.on("POST", "/messages", play(PING, TEXT, asyncio.Event()))
        async with connected(server.url, read_seconds=SOON) as letta:
            assert await read(letta.ask(CALL)) == [Ping(), HI, failures.timed_out(SOON)]

    async def test_a_broken_frame(self, server, letta):
        """What came before it, in the same write, stands."""
        server.on("POST", "/messages", play(PING, TEXT + b"data: {nonsense\n\n" + STOP + DONE))
        *said, error = await read(letta.ask(CALL))
        assert said == [Ping(), HI]
        assert (error.status, error.code) == (502, "upstream_incomplete")

    async def test_an_error_frame(self, server, letta):
        """It has the reason."""
        error = b'event: error\ndata: {"message_type":"error_message","error_type":"llm_timeout"}'
        server.on("POST", "/messages", play(PING, TEXT, error + b"\n\n" + DONE))
        assert (await read(letta.ask(CALL)))[-1].code == "upstream_model_timeout"


async def test_cancelled_in_the_middle(server, letta):
    """By the run's id; the stream is read on to its end."""
    server.on("POST", "/messages", play(PING, TEXT, server.cancelled, CANCELLED))
    run = letta.ask(CALL)
    reader, events = reader_of(run), list[Event]()
    while HI not in events:
        events += await reader.take(None)
    await run.cancel()
    (cancel,) = server.sent("POST", "/cancel")
    assert cancel.body == {"run_ids": [RUN_ID]}
    (error,) = await reader.take(None)
    assert error.code == "run_cancelled"
    await reader.drain()
    await reader.aclose()


async def test_giving_up_the_reading_closes_the_connection(server, letta):
    """Letta sees that nobody reads any more."""
    left = asyncio.Event()

    async def answer(request):
        try:
            return await play(PING, TEXT, asyncio.Event())(request)
        finally:
            left.set()

    server.on("POST", "/messages", answer)
    reader = reader_of(letta.ask(CALL))
    while HI not in await reader.take(None):
        pass
    await reader.aclose()
    async with asyncio.timeout(5):
        await left.wait()
