"""An answer stops at the first sentence that is not allowed, and nobody sees that sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.events import (
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.testing import kit
from letta_moderation.plugin import Config, Moderation
from letta_moderation.sentences import Sentences


NOTICE = TextDelta("Stop.", "moderation")
ENDING: list[Event] = [Usage(1, 1), Finish()]
STOPPED: list[Event] = [NOTICE, Finish("content_filter")]


class Judge:
    """A server that flags whatever has 'bad' in it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        app = web.Application()
        app.router.add_post("/v1/moderations", self.answer)
        self.server = TestServer(app)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body["input"])
        results = [{"flagged": "bad" in body["input"]}]
        return web.json_response({"results": results}, status=self.status)

    def plugin(self, **settings: Any) -> Moderation:
        url = str(self.server.make_url("/v1/moderations"))
        return Moderation(Config(url=url, notice=NOTICE.text, **settings))


@pytest.fixture(name="judge")
async def _judge() -> AsyncIterator[Judge]:
    judge = Judge()
    async with judge.server:
        yield judge


async def shown(plugin: Moderation, *events: Event) -> list[Event]:
    """What the client gets of these events."""
    async with kit.started(plugin):
        out = await kit.run(plugin, events)
    kit.assert_grammar(out)
    return kit.merged(out)


async def test_good_answers_pass(judge: Judge) -> None:
    """Every sentence is judged once, and shown."""
    said: list[Event] = [
        TextDelta("One. Tw", "m"),
        TextDelta("o! Three", "m"),
        Usage(1, 1),
        Finish(),
    ]
    assert await shown(judge.plugin(), *said) == kit.merged(said)
    assert judge.asked == ["One. ", "Two! ", "Three"]


async def test_a_bad_sentence_stops_it(judge: Judge) -> None:
    """Nothing of that sentence is shown, wherever it is cut, and nothing behind it."""
    said: list[Event] = [
        TextDelta("Good. A ba", "m"),
        TextDelta("d one. Good.", "m"),
        Usage(1, 1),
        Finish(),
    ]
    assert await shown(judge.plugin(), *said) == [TextDelta("Good. ", "m"), *STOPPED]


async def test_the_last_sentence_is_judged(judge: Judge) -> None:
    """It needs no sign to end with."""
    assert await shown(judge.plugin(), TextDelta("bad", "m"), *ENDING) == STOPPED


async def test_before_tools(judge: Judge) -> None:
    """What has been said is judged before anything else goes on."""
    call: list[Event] = [ToolCallStart("c", "f"), ToolResult("c", "x")]
    said: list[Event] = [TextDelta("Good", "m"), Ping(), *call, TextDelta("bad", "m2"), Finish()]
    assert await shown(judge.plugin(), *said) == [Ping(), TextDelta("Good", "m"), *call, *STOPPED]


async def test_reasoning_is_not_judged(judge: Judge) -> None:
    """It passes as it comes."""
    said: list[Event] = [ReasoningDelta("bad", "m"), Finish()]
    assert await shown(judge.plugin(), *said) == said


async def test_long_sentences(judge: Judge) -> None:
    """Who never ends a sentence is judged all the same."""
    said: list[Event] = [TextDelta("x" * 8, "m"), TextDelta("y" * 8, "m"), Finish()]
    await shown(judge.plugin(longest=10), *said)
    assert judge.asked == ["x" * 8 + "y" * 8]


async def test_no_judge(judge: Judge) -> None:
    """Without a judgement nothing is shown: it fails, and `on_failure` says what that means."""
    judge.status = 500
    with pytest.raises(aiohttp.ClientResponseError):
        await shown(judge.plugin(), TextDelta("Good. ", "m"), Finish())


def test_it_fails_closed() -> None:
    """Unless the file says otherwise, an answer that cannot be judged is an error."""
    assert Moderation.essential


@pytest.mark.parametrize("text", ["A. B? C", "“Really?” he said.\n\nYes (no!) maybe", "x" * 30])
def test_cuts_do_not_matter(text: str) -> None:
    """What comes out is the same text, and sentences are whole, wherever the stream is cut."""
    for cut in kit.splittings([TextDelta(text, "m"), Finish()]):
        sentences = Sentences(400)
        out = [ready for event in cut for ready in sentences.feed(event)]
        assert kit.merged(out) == [TextDelta(text, "m"), Finish()]
        texts = [each.text for each in out if isinstance(each, TextDelta)]
        assert all(each.endswith((" ", "\n")) for each in texts[:-1])


def test_the_key_is_not_shown() -> None:
    """Not even by accident."""
    assert "sk-1" not in repr(Config(url="https://judge.example", api_key="sk-1"))
