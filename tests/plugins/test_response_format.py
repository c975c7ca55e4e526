from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from gateway.events import (
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolCallStart,
    Usage,
)
from gateway.plugin import Call, Conversation, Message, Settings, Text
from gateway.testing.kit import assert_split_invariant, context, fed, merged, run
from plugins.response_format import Config, ResponseFormat
from tests.plugins.asking import answer, asking, request
from tests.plugins.tool_client import does


OBJECT = {"type": "json_object"}
AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
GOOD, BAD = '{"age": 36}', '{"age": "36"}'
FENCED = f"```json\n{GOOD}\n```"


def strict(value: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": AGE, "strict": value}}


TOLD = Conversation("conv-1", keep=False, settings=Settings(format=strict()))


def plugin() -> ResponseFormat:
    return ResponseFormat(Config())


def text(said: str, message: str = "m1") -> TextDelta:
    return TextDelta(said, message)


def call(wanted: dict[str, Any] = OBJECT, **more: Any) -> Call:
    said = (Message("user", (Text("How old?"),)),)
    return Call("Milo", said, body={"response_format": wanted}, **{"input": said, **more})


class TestPrepare:
    @pytest.mark.parametrize("body", [{}, {"response_format": {"type": "text"}}])
    async def test_nothing_is_asked(self, body):
        """No event comes by, and nothing is ignored."""
        turn = plugin().begin(context())
        reply = attrs.evolve(Call("", ()).reply, ignored=tuple(body))
        prepared = await turn.prepare(Call("Milo", (), body=body, reply=reply))
        assert turn.idle
        assert prepared == Call("Milo", (), body=body)

    async def test_the_agent_is_asked(self):
        """Behind what the user says, for this request alone."""
        prepared = await plugin().begin(context()).prepare(call(strict()))
        assert [message.role for message in prepared.input] == ["user", "system"]
        assert json.dumps(AGE, separators=(",", ":")) in prepared.input[-1].text

    async def test_the_model_was_told(self):
        """The agent need not be."""
        prepared = await plugin().begin(context()).prepare(call(strict(), conversation=TOLD))
        assert [message.role for message in prepared.input] == ["user"]

    async def test_results_alone(self):
        """The agent was told when it was asked."""
        prepared = await plugin().begin(context()).prepare(call(input=()))
        assert prepared.input == ()

    @pytest.mark.parametrize(
        ("wanted", "told", "stream", "held"),
        [
            (OBJECT, None, True, True),
            (strict(), None, True, True),
            (strict(False), None, True, False),
            (strict(), TOLD, True, False),
            (strict(False), None, False, True),
            (strict(), TOLD, False, True),
        ],
    )
    async def test_when_an_answer_is_held(self, wanted, told, stream, held):
        """If it comes as a whole anyway, or the form is needed and nothing else sees to it."""
        asked = call(wanted, conversation=told, stream=stream)
        prepared = await plugin().begin(context()).prepare(asked)
        assert (prepared.must_fit is not None) is held
        unchecked = ResponseFormat(Config(check=False)).begin(context())
        assert (await unchecked.prepare(asked)).must_fit is None


class TestFlowing:
    FLOWING = call(strict(), stream=True, conversation=TOLD)

    async def test_only_the_fence_is_taken_off(self):
        """Nothing is held but what may be one."""
        events = [ReasoningDelta("```", "m1"), text(FENCED), Usage(1, 1), Finish()]
        out = await run(plugin(), events, self.FLOWING)
        assert merged(out) == [events[0], text(GOOD), *events[2:]]
        turn = plugin().begin(context())
        await turn.prepare(self.FLOWING)
        assert list(turn.feed(text('{"a'))) == [text('{"a')]

    async def test_cuts_do_not_matter(self):
        """Of one message and the next."""
        events: list[Event] = [text(FENCED), Ping(), text(FENCED, "m2"), Usage(1, 1), Finish()]
        await assert_split_invariant(plugin, events, self.FLOWING)
        out = merged(await run(plugin(), events, self.FLOWING))
        assert [event for event in out if isinstance(event, TextDelta)] == [
            text(GOOD),
            text(GOOD, "m2"),
        ]


class TestHeld:
    async def shown(self, events: list[Event], *, asked: bool = True) -> list[Event]:
        """As the pipeline does it: the whole answer is judged before a turn sees it."""
        turn = plugin().begin(context())
        prepared = await turn.prepare(call(strict()))
        assert prepared.must_fit
        if asked:
            self.fits = prepared.must_fit(events)
        return fed(turn, events)

    async def test_what_fits(self):
        """Without the fence, and without what the agent said before its last message."""
        events = [text("Let me see."), ReasoningDelta("R", "m1"), text(FENCED, "m2"), Finish()]
        assert await self.shown(events) == [events[1], text(GOOD, "m2"), Finish()]
        assert self.fits

    async def test_what_was_mended_on_its_way(self):
        """What was judged is shown: an escaped newline in JSON must stay one."""
        turn = plugin().begin(context())
        prepared = await turn.prepare(call())
        assert prepared.must_fit
        assert prepared.must_fit([text('{"a": "b\\nc"}'), Finish()])
        out = fed(turn, [text('{"a": "b\nc"}'), Finish()])
        assert out == [text('{"a": "b\\nc"}'), Finish()]

    @pytest.mark.parametrize("said", [BAD, "36", "Sure: " + GOOD, ""])
    async def test_what_does_not(self, said):
        """It is shown as it is."""
        events = [*([text(said)] if said else []), Usage(1, 1), Finish()]
        assert await self.shown(events) == events
        assert not self.fits

    async def test_a_call_of_the_clients_tools(self):
        """It is no answer yet: what was said before it goes out before it."""
        events = [text("Let me see."), ToolCallStart("c", "f", client_side=True), text("x")]
        out = await self.shown([*events, Finish("tool_calls")], asked=False)
        assert out == [*events, Finish("tool_calls")]


class TestAsked:
    """Over FakeLetta: a step of the script for each time that the agent is asked."""

    @pytest.mark.parametrize("key", ["chat", ""])
    @pytest.mark.parametrize("stream", [True, False])
    async def test_at_once(self, key, stream):
        """The agent does as it is told."""
        async with asking() as house:
            asked = request(does({"text": FENCED, "n": 2}), key=key, stream=stream)
            answered = await answer(house, with_format(asked))
            assert (answered.text, answered.reason, answered.ignored) == (GOOD, "stop", ())
            assert answered.exchange.unmet == ""
            told = await house.heard(house.latest) if key else []
        assert [role for role, _ in told] == (["user", "system", "assistant"] if key else [])

    @pytest.mark.parametrize("key", ["chat", ""])
    async def test_once_more(self, key):
        """It is told what is wrong, and nothing of its first answer is shown."""
        async with asking() as house:
            story = does({"text": BAD}, {"text": GOOD})
            answered = await answer(house, with_format(request(story, key=key, stream=False)))
            assert answered.text == GOOD
            assert answered.exchange.unmet == ""
            again = house.requests("POST", "/messages")[-1]["messages"]
            assert [message["role"] for message in again] == ["system"]
            assert "$.age: '36' is not of type 'integer'" in again[0]["content"]

    async def test_never(self):
        """Its text is shown, and that it is not what was asked for."""
        async with asking() as house:
            story = does({"text": BAD}, {"text": "I cannot."})
            answered = await answer(house, with_format(request(story, key="chat")))
            assert (answered.text, answered.reason) == ("I cannot.", "stop")
            assert answered.exchange.unmet == "response_format"

    async def test_a_stop_within(self):
        """What fits is cut all the same."""
        async with asking() as house:
            asked = request(does({"text": GOOD}), key="chat", stop='"age"')
            answered = await answer(house, with_format(asked))
            assert (answered.text, answered.reason) == ("{", "stop")

    async def test_older_agents(self):
        """They are asked like others."""
        async with asking({"type": "memgpt_v2_agent"}) as house:
            answered = await answer(house, with_format(request(does({"text": GOOD}))))
            assert (answered.text, answered.ignored) == (GOOD, ())


def with_format(asked: Call) -> Call:
    body = {**asked.body, "response_format": strict()}
    return attrs.evolve(asked, body=body, reply=attrs.evolve(asked.reply, ignored=tuple(body)))
