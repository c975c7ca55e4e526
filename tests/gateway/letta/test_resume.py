"""Runs that outlive the connection they are read on, over a real one that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from gateway.call import Agent, Call, Conversation, Message, Text
from gateway.events import Error, Event, Finish, Ping, Usage
from gateway.letta import resume
from gateway.letta.client import LettaAPI
from gateway.letta.run import LettaRun
from gateway.testing.fakeletta import FakeAgent, FakeLetta, Fault, ServerTool
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import logged, texts
from tests.gateway.letta.loopback import (
    DONE,
    RUN_ID,
    SOON,
    Drop,
    Loopback,
    connected,
    loopback,
    play,
    reply,
    sse,
)


SAID = "@@reason@@"


@attrs.define
class Ways:
    """A FakeLetta with an agent, and the gateway's client of it."""

    fake: FakeLetta
    letta: LettaAPI
    agent: FakeAgent
    conversation: str

    def run(self, said: str = SAID, *, kept: bool = True) -> LettaRun:
        call = Call(
            "Milo",
            (),
            agent=Agent(self.agent.id, "Milo", self.agent.type),
            conversation=Conversation(self.conversation),
            input=(Message("user", (Text(said),)),),
            stream=True,
        )
        run = self.letta.ask(call)
        if kept:
            run.keep()
        return run

    async def read(self, said: str = SAID, *, kept: bool = True) -> list[Event]:
        """All events but pings: how many there are is a matter of connections."""
        events = [event async for batch in self.run(said, kept=kept) for event in batch]
        assert_grammar(events)
        return [event for event in events if not isinstance(event, Ping)]

    def posts(self, end: str) -> list[Any]:
        """The bodies of what was posted there."""
        return [each.body for each in self.fake.requests if each.path.endswith(end)]


@asynccontextmanager
async def ways(**settings: Any) -> AsyncIterator[Ways]:
    async with FakeLetta(pace=0.0, **settings) as fake:
        weather = ServerTool("srv_weather", lambda city="": f"21 c in {city}")
        agent = fake.add_agent("Milo", tools=[weather])
        async with connected(fake.url, background=True) as letta:
            conversation = await letta.create_conversation(agent.id, summary="s")
            yield Ways(fake, letta, agent, conversation)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts come one after the other; how long the pauses are is not what is tested."""
    monkeypatch.setattr(resume, "PAUSES", (0.0,) * 6)


def alike(events: list[Event]) -> list[str]:
    """The same said in another run: its messages have other ids, and more come before it."""
    return [repr(attrs.asdict(event) | {"message": "", "prompt": 0}) for event in events]


def words(events: list[Event]) -> str:
    assert isinstance(events[-1], Finish)
    assert isinstance(events[-2], Usage)
    return texts(events)


@pytest.mark.parametrize("said", ["@@reason@@", "@@tool:srv_weather@@", "@@plain@@"])
@pytest.mark.parametrize("then", ["drop", "end", "malformed"])
async def test_a_connection_that_breaks_anywhere(said: str, then: Any) -> None:
    """After every event of the stream: what comes is the same as if it had held."""
    async with ways() as made:
        whole = await made.read(said, kept=False)
        blocks = len((await made.fake.run()).blocks)
        for after in range(1, blocks):
            made.fake.fail(Fault(after=after, then=then), path="/messages$", times=1)
            assert alike(await made.read(said)) == alike(whole), after
        assert len(made.posts("/messages")) == blocks
        assert len(made.posts("/stream")) >= blocks - 3


async def test_every_connection_breaks() -> None:
    """As long as each brings something, it is read on."""
    async with ways() as made:
        whole = await made.read("@@slow:30@@", kept=False)
        made.fake.fail(Fault(after=2, then="drop"), method="POST")
        with logged("INFO") as lines:
            assert texts(await made.read("@@slow:30@@")) == texts(whole)
        assert len(lines) >= 10
        assert len(made.posts("/messages")) == 2


async def test_what_is_not_kept_is_not_asked_for_so() -> None:
    """It ends with its connection, in an error behind what was said."""
    async with ways() as made:
        made.fake.fail(Fault(after=4, then="drop"), path="/messages$", times=1)
        events = await made.read(kept=False)
        assert isinstance(events[-1], Error)
        assert events[-1].code == "upstream_incomplete"
        assert [body.get("background") for body in made.posts("/messages")] == [None]
        assert made.posts("/stream") == []


async def test_a_letta_without_redis() -> None:
    """It is asked in the usual way, once and for all; then a run ends with its connection."""
    async with ways(redis=False) as made:
        for _ in range(3):
            assert words(await made.read()) == "The answer is 42."
        asked = [bool(body.get("background")) for body in made.posts("/messages")]
        assert asked == [True, False, False, False]
        made.fake.fail(Fault(after=4, then="drop"), path="/messages$", times=1)
        assert isinstance((await made.read())[-1], Error)
        assert made.posts("/stream") == []


async def test_other_refusals_are_answers() -> None:
    """A Letta that is overloaded is not one without Redis."""
    async with ways() as made:
        made.fake.fail(Fault(status=503), path="/messages$", times=1)
        (error,) = await made.read()
        assert isinstance(error, Error)
        assert error.status in {502, 503}
        assert len(made.posts("/messages")) == 1
        assert words(await made.read()) == "The answer is 42."


async def test_letta_is_away_for_a_while() -> None:
    """It is tried again, and read on when it is back."""
    async with ways() as made:
        made.fake.fail(Fault(after=4, then="drop"), path="/messages$", times=1)
        made.fake.fail(Fault(status=502), path="/stream$", times=3)
        made.fake.fail(Fault(then="drop"), path="/stream$", times=2)
        assert words(await made.read()) == "The answer is 42."


async def test_letta_does_not_come_back() -> None:
    """Then it ends in the error that it would have ended in, behind what was said."""
    async with ways() as made:
        made.fake.fail(Fault(after=5, then="drop"), path="/messages$", times=1)
        made.fake.fail(Fault(status=502), path="/stream$")
        *said, error = await made.read()
        assert said
        assert isinstance(error, Error)
        assert (error.status, error.code) == (502, "upstream_incomplete")
        assert not error.rolled_back
        assert len(made.posts("/stream")) == 6


async def test_it_is_cancelled_although_its_connection_broke() -> None:
    """Its end is that of any run that is cancelled."""
    async with ways() as made:
        made.fake._state.model.pace = 0.01
        made.fake.fail(Fault(after=4, then="drop"), path="/messages$", times=1)
        run = made.run("@@slow:500@@")
        events: list[Event] = []
        async for batch in run:
            events += batch
            if made.posts("/stream") and not made.posts("/cancel"):
                await run.cancel()
        assert isinstance(events[-1], Error)
        assert events[-1].code == "run_cancelled"


TEXTS = [
    sse(message_type="assistant_message", id="m", content=f"{n} ", run_id=RUN_ID, seq_id=n)
    for n in range(1, 6)
]
END = sse(message_type="stop_reason", stop_reason="end_turn") + DONE
FAILED = sse(message_type="error_message", error_type="llm_error", message="x", seq_id=6)
REST = f"/v1/runs/{RUN_ID}/stream"


@asynccontextmanager
async def played(**settings: Any) -> AsyncIterator[tuple[Loopback, Any]]:
    """A server that says what a test wants, and a way to read a kept run of it."""
    async with loopback() as server, connected(server.url, background=True, **settings) as letta:
        server.on("POST", "/cancel", reply({RUN_ID: "cancelled"}))
        call = Call(
            "Milo",
            (),
            agent=Agent("agent-1", "M"),
            conversation=Conversation("conv-1"),
            stream=True,
        )

        async def read() -> list[Event]:
            run = letta.ask(call)
            run.keep()
            return [event async for batch in run for event in batch]

        yield server, read


async def test_what_comes_again_is_not_said_again() -> None:
    """A server that does not know exactly where it was begins a little earlier."""
    async with played() as (server, read):
        server.on("POST", "/messages", play(*TEXTS[:3], Drop()))
        server.on("POST", REST, play(*TEXTS[1:], END))
        events = await read()
        (asked,) = server.sent("POST", REST)
    assert texts(events) == "1 2 3 4 5 "
    assert asked.body == {"starting_after": 3, "include_pings": True}


@pytest.mark.parametrize("rest", [reply({"detail": "Run not found"}, 404), reply({}, 400)])
async def test_a_run_that_letta_does_not_know(rest: Any) -> None:
    """It is not asked a second time, and the error is that of the connection."""
    async with played() as (server, read):
        server.on("POST", "/messages", play(*TEXTS[:2], Drop()))
        server.on("POST", REST, rest)
        events = await read()
        assert len(server.sent("POST", REST)) == 1
    assert texts(events) == "1 2 "
    assert [event.code for event in events if isinstance(event, Error)] == ["upstream_incomplete"]


async def test_a_run_without_numbers() -> None:
    """It cannot be read on: nobody knows from where."""
    unnumbered = sse(message_type="assistant_message", id="m", content="a", run_id=RUN_ID)
    async with played() as (server, read):
        server.on("POST", "/messages", play(unnumbered, Drop()))
        events = await read()
        assert server.sent("POST", REST) == []
    assert isinstance(events[-1], Error)


async def test_a_run_that_failed() -> None:
    """Its error is its ending, however the connection goes."""
    async with played() as (server, read):
        server.on("POST", "/messages", play(*TEXTS[:2], FAILED, Drop()))
        events = await read()
        assert server.sent("POST", REST) == []
    assert [event.code for event in events if isinstance(event, Error)] == ["upstream_model_error"]


async def test_a_run_that_says_nothing_more() -> None:
    """A server that was started anew has forgotten that it runs, and pings for ever."""
    ping, never = sse(message_type="ping", run_id=RUN_ID), asyncio.Event()
    async with played() as (server, read):
        server.on("POST", "/messages", play(*TEXTS[:2], Drop()))
        server.on("POST", REST, play(ping, ping, never))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(resume, "QUIET_SECONDS", -1.0)
            events = await read()
        never.set()
        assert len(server.sent("POST", REST)) == 1
    assert isinstance(events[-1], Error)
    assert texts(events) == "1 2 "


async def test_a_run_that_is_silent() -> None:
    """Behind its end Letta says nothing at all: that is not waited for again."""
    never = asyncio.Event()
    async with played(read_seconds=SOON) as (server, read):
        server.on("POST", "/messages", play(*TEXTS[:2], Drop()))
        server.on("POST", REST, play(b": hello\n\n", never))
        events = await read()
        never.set()
        assert len(server.sent("POST", REST)) == 1
    assert isinstance(events[-1], Error)


async def test_a_long_silence_in_a_run_that_has_been_read_on() -> None:
    """Once it has said something it lives, and may be as silent as any."""
    ping = sse(message_type="ping", run_id=RUN_ID)
    async with played() as (server, read):
        server.on("POST", "/messages", play(*TEXTS[:2], Drop()))
        server.on("POST", REST, play(TEXTS[2], ping, ping, *TEXTS[3:], END))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(resume, "QUIET_SECONDS", -1.0)
            events = await read()
    assert texts(events) == "1 2 3 4 5 "
    assert isinstance(events[-1], Finish)
