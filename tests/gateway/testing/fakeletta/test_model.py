"""The scripted model."""

from __future__ import annotations

import json

import pytest

from gateway.testing.fakeletta.failures import Failure
from gateway.testing.fakeletta.model import Ask, Model, Prompt
from gateway.testing.fakeletta.scenarios import SYSINFO
from gateway.testing.fakeletta.steps import Reason, Say, Step, ToolUse


def ask(*messages: tuple[str, str], **settings: object) -> Ask:
    """A call of the model."""
    return Ask(tuple(Prompt(*each) for each in messages), **settings)  # type: ignore[arg-type]


def test_counts_its_answers() -> None:
    """The model's turn is counted from the user's last message; heartbeats are not his."""
    beat = ("user", '{\n "type": "heartbeat"}')
    asked = ask(("user", "a"), ("assistant", ""), ("user", "b"), ("assistant", ""), beat)
    assert (asked.said, asked.turn) == ("b", 1)


def test_steps_one_after_the_other() -> None:
    """Each step answers one call; after the last one it is done."""
    script = [Step("one"), Step("two")]
    history = [("user", "x")]
    said = []
    for _ in range(3):
        said.append(Model().answer(ask(*history), script).said)
        history.append(("assistant", ""))
    assert said == ["one", "two", "done"]


def test_without_a_user() -> None:
    """Without a user's message it says that."""
    assert Model().answer(ask(("system", "x"))).said == "no user message"


def test_forced_to_call_a_tool() -> None:
    """What it wants to say becomes the argument of send_message, its thoughts beside it."""
    asked = ask(("user", "x"), tools=("send_message",), forced=True)
    (use,) = Model().answer(asked, [Step("hello", "hm")]).tools
    assert (use.name, use.args) == ("send_message", {"thinking": "hm", "message": "hello"})


def test_forced_with_a_tool() -> None:
    """A call gets thoughts and a heartbeat among its arguments."""
    asked = ask(("user", "x"), forced=True)
    (use,) = Model().answer(asked, [Step(tools=(ToolUse("look", {"a": 1}),))]).tools
    assert use.args == {"thinking": "thinking...", "a": 1, "request_heartbeat": True}


def test_tells_what_it_is_shown() -> None:
    """Asked for it, the model tells its roles and tools."""
    asked = ask(("system", ""), ("user", "x"), tools=("look",))
    told = json.loads(Model().answer(asked, [Step(SYSINFO)]).said)
    assert (told["roles"], told["tools"]) == (["system", "user"], ["look"])
    assert told["tool_choice"] == "auto"


def test_fails_so_many_times() -> None:
    """Letta tries three times: a failure that is over by then is not seen."""
    model, asked = Model(), ask(("user", "x"))
    assert model.answer(asked, [Step("ok", status=500, times=2)]).said == "ok"
    with pytest.raises(Failure):
        Model().answer(asked, [Step("ok", status=500, times=3)])
    with pytest.raises(Failure):
        Model().answer(asked, [Step("ok", status=400, times=1)])


async def test_streams_and_reads_alike() -> None:
    """Streamed or whole, the chunks are the same."""
    model, step = Model(pace=0), Step("hello you", "hm", n=4, delay=9, pre=9)
    streamed = [chunk async for chunk in model.stream(step)]
    assert streamed == await model.whole(step)
    assert streamed == [Reason("hm"), Say("hell"), Say("o yo"), Say("u")]


@pytest.mark.parametrize(
    "step",
    [Step("one two", n=3, breaks="drop", after=1), Step("one two", n=3, malformed=True)],
)
async def test_breaks_off(step: Step) -> None:
    """A broken stream gives what came before."""
    chunks = Model(pace=0).stream(step)
    assert await anext(chunks) == Say("one")
    with pytest.raises(Failure) as caught:
        await anext(chunks)
    assert caught.value.broken


@pytest.mark.parametrize(
    ("tools", "called"),
    [
        (("look__1a",), "look__1a"),
        (("look", "look__1a"), "look"),
        (("look__1a", "look__2b"), "look"),
        (("looking__1a",), "look"),
    ],
)
def test_calls_a_proxy(tools: tuple[str, ...], called: str) -> None:
    """A tool that is not there is called by the name of its proxy, if there is just one."""
    step = Model().answer(ask(("user", "x"), tools=tools), [Step(tools=(ToolUse("look"),))])
    assert step.tools[0].name == called
