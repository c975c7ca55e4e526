"""Answers to pending calls of older agents: what is sent, and what a client hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import attrs
import pytest

from gateway.call import Agent, Call, Conversation, Message, Text, Tool, ToolAnswer
from gateway.events import Error, Event, Finish, TextDelta, ToolArgsDelta
from gateway.letta.client import LettaAPI
from gateway.letta.run import LettaRun
from gateway.testing.fakeletta import FakeAgent, FakeLetta, Fault, ServerTool, Step, ToolUse
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import until
from tests.gateway.letta.loopback import connected


def never() -> str:
    raise AssertionError("it is not run")


LOOK = ServerTool("look", never, requires_approval=True)
CALLS_LOOK = Step(
    reason="hm", tools=(ToolUse("look", {"a": {"b": [1]}, "c": 2}, "call_1", frag=4),)
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeLetta]:
    async with FakeLetta(pace=0.01) as made:
        yield made


@pytest.fixture
def milo(fake) -> FakeAgent:
    script = [CALLS_LOOK, Step("It is there.")]
    made: FakeAgent = fake.add_agent("Milo", type="memgpt_v2_agent", tools=[LOOK], script=script)
    return made


@pytest.fixture
async def letta(fake) -> AsyncIterator[LettaAPI]:
    async with connected(fake.url) as made:
        yield made


def call_of(milo: FakeAgent, *said: str, answers: tuple[ToolAnswer, ...] = ()) -> Call:
    return Call(
        "Milo",
        (),
        agent=Agent(milo.id, "Milo", milo.type),
        conversation=Conversation("default"),
        input=tuple(Message("user", (Text(text),)) for text in said),
        answers=answers,
        streaming="steps",
    )


async def heard(letta: LettaAPI, call: Call) -> list[Event]:
    events = [event async for batch in letta.ask(call) for event in batch]
    assert_grammar(events)
    return events


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def results(milo: FakeAgent) -> list[str]:
    return [each.text for stored in milo.context.window for each in stored.returns]


ANSWER = ToolAnswer("call_1", (Text("a cat"),))


async def test_the_result(milo, letta):
    """It reaches the model as the result of the call, and the agent goes on."""
    await heard(letta, call_of(milo, "look!"))
    assert text(await heard(letta, call_of(milo, answers=(ANSWER,)))) == "It is there."
    assert results(milo)[1].endswith("\na cat")


async def test_a_result_and_a_message(milo, letta):
    """The model sees both, and is asked once."""
    await heard(letta, call_of(milo, "look!"))
    milo.script = [Step("Both.")]
    answered = await heard(letta, call_of(milo, "and now?", answers=(ANSWER,)))
    assert (text(answered), answered[-1]) == ("Both.", Finish())
    assert results(milo)[1].endswith("\na cat")
    assert [m.content for m in milo.context.window if m.kind == "user"][-1] == "and now?"
    assert sum(m.text is not None for m in milo.context.window) == 2  # one from its waking up


async def test_an_answer_that_is_not_taken(milo, letta):
    """The message is not sent after it, and Letta's words reach the client."""
    (*_, ending) = await heard(letta, call_of(milo, "and now?", answers=(ANSWER,)))
    assert isinstance(ending, Error)
    assert ending.code == "tool_call_not_pending"
    assert not [m for m in milo.context.window if m.content == "and now?"]


async def test_a_run_that_is_cancelled_meanwhile(milo, letta):
    """Nothing is sent."""
    await heard(letta, call_of(milo, "look!"))
    run = letta.ask(call_of(milo, "and now?", answers=(ANSWER,)))
    await run.cancel()
    (*_, ending) = [event async for batch in run for event in batch]
    assert isinstance(ending, Error)
    assert milo.context.pending is not None


async def test_a_client_that_leaves_while_the_answer_goes_out(milo, fake, letta):
    """The call has its answer; the message is not sent after it."""
    await heard(letta, call_of(milo, "look!"))
    fake.fail(Fault(latency=0.2), path="/messages$", method="POST", times=1)
    run = letta.ask(call_of(milo, "and now?", answers=(ANSWER,)))
    events = asyncio.create_task(_all(run))
    await until(lambda: len([r for r in fake.requests if r.path.endswith("/messages")]) == 2)
    await run.cancel()
    assert isinstance((await events)[-1], Error)
    assert milo.context.pending is None
    assert not [m for m in milo.context.window if m.content == "and now?"]


async def _all(run: LettaRun) -> list[Event]:
    return [event async for batch in run for event in batch]


async def test_arguments_in_a_token_stream(milo, letta):
    """They come whole, although Letta loses some of them on the way."""
    call = call_of(milo, "look!")
    call = attrs.evolve(call, streaming="tokens", offered=(Tool("look"),), lent=True)
    events = await heard(letta, call)
    (arguments,) = [event.json for event in events if isinstance(event, ToolArgsDelta)]
    assert json.loads(arguments) == {"a": {"b": [1]}, "c": 2, "request_heartbeat": True}
    assert events[-1] == Finish("tool_calls")
