"""What is streamed, and that the whole answer says the same."""

from __future__ import annotations

import json

import pytest

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.scenarios import MARKDOWN, UNICODE
from tests.letta_server.server import LettaServer
from tests.real.conftest import Serve
from tests.real.gateways import pipeline
from tests.real.scripts import does


REASON, SAID = "First I think.\nThen I conclude.", "The answer is 42."
BACKSLASHES = r"C:\new\table, \\server\share, \frac{1}{2} \neq \nu, `a\nb`, ^\d+\t$ and \u0041."


async def test_reasoning_then_text_then_one_finish(serve: Serve, make_agent: MakeAgent) -> None:
    """Reasoning streams before text, both piece by piece, and one reason ends the stream."""
    make_agent("Thinker")
    client = await serve()

    answer = await client.stream("Thinker", does(reason=REASON, text=SAID, n=5))

    answer.check()
    told = ("reasoning", "content")
    kinds = [kind for delta in answer.deltas for kind in told if delta.get(kind)]
    assert kinds == ["reasoning"] * 7 + ["content"] * 4
    assert (answer.reasoning, answer.text) == (REASON, SAID)
    assert all(delta.get("reasoning") == delta.get("reasoning_content") for delta in answer.deltas)
    assert answer.usage is None


async def test_usage(serve: Serve, make_agent: MakeAgent) -> None:
    """Tokens are told in a last chunk to those who ask, and always where nothing is streamed."""
    make_agent("Counter")
    client = await serve()
    asked = does(reason=REASON, text=SAID, n=5)

    streamed = await client.stream("Counter", asked, stream_options={"include_usage": True})
    whole = await client.ask("Counter", asked)

    streamed.check()
    assert streamed.frames[-1]["choices"] == []
    assert all(frame["usage"] is None for frame in streamed.frames[:-1])
    assert streamed.usage == whole.json["usage"]
    assert streamed.usage["completion_tokens"] == 11
    assert streamed.usage["prompt_tokens"] > 100
    assert streamed.usage["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert streamed.usage["prompt_tokens_details"] == {"cached_tokens": 7}


async def test_the_whole_answer_is_the_same(serve: Serve, make_agent: MakeAgent) -> None:
    """Not streamed, the answer has the same text and reasoning and every key that is required."""
    make_agent("Whole")
    client = await serve()

    answer = await client.ask("Whole", does(reason=REASON, text=SAID, n=5))

    assert answer.json["object"] == "chat.completion"
    assert answer.json["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": SAID,
                "reasoning_content": REASON,
                "reasoning": REASON,
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


@pytest.mark.parametrize(
    "said", [MARKDOWN, "".join(UNICODE), BACKSLASHES], ids=["md", "unicode", "backslashes"]
)
async def test_texts(serve: Serve, make_agent: MakeAgent, said: str) -> None:
    """Whatever an agent writes arrives as it is, however the model cuts it."""
    make_agent("Writer")
    client = await serve()

    for size in (1, 4):
        streamed = await client.stream("Writer", does(text=said, n=size))
        streamed.check()
        assert streamed.text == said
    assert (await client.ask("Writer", does(text=said, n=4))).text == said


async def test_unicode_from_the_user(serve: Serve, make_agent: MakeAgent) -> None:
    """What the user writes reaches the model as it is, line separators and all."""
    make_agent("Echo")
    client = await serve()
    said = f"{''.join(UNICODE)}\n\x85end"

    streamed = await client.stream("Echo", said)

    streamed.check()
    assert streamed.text == f"You said: {said}"


async def test_100_kilobytes(serve: Serve, make_agent: MakeAgent) -> None:
    """A long reply arrives whole, streamed and not."""
    make_agent("Novelist")
    client = await serve()
    whole = "".join(f"{number:05d} " for number in range(17_000))

    streamed = await client.stream("Novelist", "@@long:17000@@")
    answer = await client.ask("Novelist", "@@long:17000@@")

    streamed.check()
    assert len(whole) > 100_000
    assert streamed.text == answer.text == whole
    assert len(streamed.pieces) > 4_000


async def test_an_empty_answer(serve: Serve, make_agent: MakeAgent) -> None:
    """A model that says nothing gives an empty answer that is whole all the same."""
    make_agent("Silent")
    client = await serve()

    streamed = await client.stream("Silent", "@@empty@@")
    reasoning = await client.stream("Silent", "@@reasononly@@")
    whole = await client.ask("Silent", "@@empty@@")

    streamed.check()
    reasoning.check()
    assert (streamed.text, whole.text) == ("", "")
    assert (reasoning.text, reasoning.reasoning) == ("", "Only thinking here.")


async def test_text_that_was_escaped_twice(serve: Serve, make_agent: MakeAgent) -> None:
    r"""A model that writes `\n` for its line breaks is repaired, streamed and not, but for code."""
    make_agent("Escapes")
    client = await serve()
    said = r"# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nUse `a\nb` there.\n\n- one\n- two\n"
    meant = said.replace(r"\n", "\n").replace("`a\nb`", r"`a\nb`")

    streamed = await client.stream("Escapes", does(text=said, n=3))
    whole = await client.ask("Escapes", does(text=said, n=3))

    streamed.check()
    assert streamed.text == whole.text == meant


async def test_it_streams(serve: Serve, make_agent: MakeAgent, letta_server: LettaServer) -> None:
    """What the model has said is at the client while the model still waits."""
    agent = make_agent("Pauses")
    client = await serve()

    async with client.streaming("Pauses", f"@@gate:{agent.id}@@") as stream:
        before = (await stream.until(lambda answer: len(answer.pieces) == 2)).text
        letta_server.model.open(agent.id)
        answer = await stream.rest()

    answer.check()
    assert before == "one two "
    assert answer.text == "one two three four five"


async def test_where_reasoning_goes(serve: Serve, make_agent: MakeAgent) -> None:
    """The operator decides: here into the text, between tags."""
    make_agent("Tagger")
    client = await serve(pipeline=pipeline(reasoning_mapper={"into": ["think"]}))

    streamed = await client.stream("Tagger", does(reason=REASON, text=SAID))
    whole = await client.ask("Tagger", does(reason=REASON, text=SAID))

    streamed.check()
    assert streamed.text == whole.text == f"<think>{REASON}</think>\n\n{SAID}"
    assert "reasoning" not in json.dumps(streamed.frames)
