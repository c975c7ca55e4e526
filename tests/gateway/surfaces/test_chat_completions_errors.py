"""What goes wrong with a chat completion, and what a client is told of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from openai import APIError, APIStatusError

from gateway.testing.fakeletta import FakeLetta, Fault
from tests.gateway.bad_plugins import HERE as BAD
from tests.gateway.played_letta import (
    DONE,
    Drop,
    Refusal,
    error,
    ping,
    said,
    stop,
    text,
)
from tests.gateway.serving import PIPELINE, USER, over, serving
from tests.gateway.surfaces.reading import chunks_of, said_in


HELLO = {"Milo": said("Hello ", "there", ".")}
STREAM = {"model": "Milo", "messages": USER, "stream": True}
PLAIN = {"model": "Milo", "messages": [{"role": "user", "content": "@@plain:8@@"}]}
WHOLE = {"model": "Milo", "messages": USER}


async def test_an_unknown_model(tmp_path: Path) -> None:
    """It is 404 in OpenAI's shape, streamed or not, and names what is near."""
    async with serving(tmp_path, HELLO) as served:
        for stream in (False, True):
            async with served.post({**WHOLE, "model": "Mila", "stream": stream}) as answer:
                assert answer.status == 404
                found = (await answer.json())["error"]
                assert found["code"] == "model_not_found"
                assert found["param"] == "model"
                assert "Milo" in found["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_anything_else_is_a_status(tmp_path: Path, stream: bool) -> None:
    """A model's rate limit is 429; Letta kept nothing of it, so it may be sent again."""
    script = [ping(), error("llm_rate_limit", "Slow down."), stop("llm_api_error")]
    async with (
        serving(tmp_path, {"Milo": script}) as served,
        served.post({**WHOLE, "stream": stream}) as answer,
    ):
        assert answer.status == 429
        assert answer.headers["x-request-id"]
        assert "x-should-retry" not in answer.headers
        found = (await answer.json())["error"]
    assert found["type"] == "rate_limit_error"
    assert "Slow down." in found["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_letta_may_have_kept_is_not_sent_again(tmp_path: Path, stream: bool) -> None:
    """A stream that broke off leaves open what became of the message."""
    async with serving(tmp_path, {"Milo": [ping(), Drop()]}) as served:
        async with served.post({**WHOLE, "stream": stream}) as answer:
            assert answer.status == 502
            assert answer.headers["x-should-retry"] == "false"
        async with served.openai() as client:
            with pytest.raises(APIStatusError):
                await client.chat.completions.create(
                    model="Milo", messages=USER, stream=stream, timeout=20
                )
    assert len(served.letta.asked) == 2


async def test_a_refusal_of_lettas_is_a_status(tmp_path: Path) -> None:
    """What Letta answers instead of a stream is an HTTP error too."""
    async with (
        serving(tmp_path, {"Milo": [Refusal(422, {"detail": "No."})]}) as served,
        served.post(STREAM) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "upstream_refused"


async def test_an_error_after_text_ends_the_stream(tmp_path: Path) -> None:
    """What has been said stands; then one error frame, then `[DONE]`; the SDK raises it."""
    script = [ping(), text("one"), error("llm_error", "It broke."), stop("llm_api_error")]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with served.post(STREAM) as answer:
            assert answer.status == 200
            *before, failed, done = await chunks_of(answer)
        async with served.openai() as client:
            stream = await client.chat.completions.create(model="Milo", messages=USER, stream=True)
            with pytest.raises(APIError, match="It broke"):
                [chunk async for chunk in stream]
    assert said_in(before) == "one"
    assert set(failed) == {"error"}
    assert failed["error"]["message"].startswith("It broke.")
    assert done == "[DONE]"


async def test_an_error_after_comments_is_a_frame(tmp_path: Path) -> None:
    """Once the headers are out, an error can only be said in the stream."""
    go = asyncio.Event()
    script = [ping(), go, error("llm_error", "It broke."), stop("llm_api_error")]
    quick = {"keepalive_seconds": 0.05}
    async with (
        serving(tmp_path, {"Milo": script}, server=quick) as served,
        served.post(STREAM) as answer,
    ):
        assert answer.status == 200
        await answer.content.readline()
        go.set()
        failed, done = await chunks_of(answer)
    assert failed["error"]["message"].startswith("It broke.")
    assert done == "[DONE]"


async def test_a_plugin_that_breaks_the_encoder(tmp_path: Path) -> None:
    """What has been said is not lost: the stream ends in an error frame and `[DONE]`."""
    pipeline = [{"use": f"{BAD}:NoText"}, *({"use": name} for name in PIPELINE)]
    script = [ping(), text("one"), ping(), text("two"), stop(), DONE]
    async with serving(tmp_path, {"Milo": script}, pipeline=pipeline) as served:
        async with served.post(STREAM) as answer:
            assert answer.status == 200
            *before, failed, done = await chunks_of(answer)
        async with served.post(WHOLE) as answer:
            assert answer.status == 500
            assert answer.headers["x-should-retry"] == "false"
            assert (await answer.json())["error"]["code"] == "internal_error"
    assert said_in(before) in {"", "one"}
    assert failed["error"]["code"] == "internal_error"
    assert done == "[DONE]"


WORDS = " ".join(f"word{number}" for number in range(8))


@pytest.mark.parametrize(
    "fault", [Fault(chop=1), Fault(then="unknown", after=3), Fault(done=False)]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_faults_that_clients_do_not_see(tmp_path: Path, fault: Fault, stream: bool) -> None:
    """An odd way of sending the answer does not change it."""
    async with FakeLetta(pace=0) as letta, over(letta.url, tmp_path) as served:
        letta.add_agent("Milo", fault=fault)
        async with served.post({**PLAIN, "stream": stream}) as answer:
            assert answer.status == 200
            if stream:
                *chunks, done = await chunks_of(answer)
                assert done == "[DONE]"
                assert said_in(chunks) == WORDS
            else:
                assert (await answer.json())["choices"][0]["message"]["content"] == WORDS


@pytest.mark.parametrize(
    "fault", [Fault(then=then, after=4) for then in ("drop", "end", "error", "malformed")]
)
async def test_faults_that_end_the_answer(tmp_path: Path, fault: Fault) -> None:
    """What was said is a beginning; one error and `[DONE]` follow; whole, it is an error."""
    async with FakeLetta(pace=0) as letta, over(letta.url, tmp_path) as served:
        letta.add_agent("Milo", fault=fault)
        async with served.post({**PLAIN, "stream": True}) as answer:
            assert answer.status == 200
            *chunks, failed, done = await chunks_of(answer)
        async with served.post(PLAIN) as answer:
            assert answer.status == 502
            assert (await answer.json())["error"]["code"] == failed["error"]["code"]
    assert done == "[DONE]"
    assert failed["error"]["type"] == "server_error"
    assert WORDS.startswith(said_in(chunks))
    assert said_in(chunks)
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)
