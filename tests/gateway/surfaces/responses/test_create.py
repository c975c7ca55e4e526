"""`POST /v1/responses`, over a played Letta."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.web.running import RUNNING
from tests.gateway.lane import until
from tests.gateway.played_letta import (
    Refusal,
    Step,
    echo,
    error,
    ping,
    reasoning,
    said,
    stop,
    text,
    usage,
)
from tests.gateway.serving import serving
from tests.gateway.surfaces.responses.asking import (
    again,
    error_of,
    first_frame,
    found,
    post,
    response_of,
    streamed,
)
from tests.gateway.surfaces.responses.reading import check, said_in


HELLO = {"Milo": said("Hello ", "there", ".")}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


async def test_whole(tmp_path: Path) -> None:
    """Reasoning and text are items; the tokens are counted."""
    script = [ping(), reasoning("Hm."), text("Hello."), stop(), usage()]
    async with serving(tmp_path, {"Milo": script}) as served:
        response = await response_of(served)
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert (said_in(response), response["status"]) == ("Hello.", "completed")
    assert response["usage"]["total_tokens"] == 10


async def test_streamed(tmp_path: Path) -> None:
    """The frames are in the grammar, and end with the whole response."""
    async with serving(tmp_path, HELLO) as served:
        frames = await streamed(served)
        response = check(frames)
        assert said_in(response) == "Hello there."
        assert await found(served, response["id"]) == response


async def test_instructions(tmp_path: Path) -> None:
    """They go to Letta as a system message ahead of the user's."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        await response_of(served, "Hi", instructions="Be brief.")
        (asked,) = served.letta.asked
    assert [(m["role"], m["content"]) for m in asked["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hi"),
    ]


@pytest.mark.parametrize("stream", [True, False])
async def test_what_nothing_honours_is_named(tmp_path: Path, stream: bool) -> None:
    """By the names that the fields have here."""
    more = {"max_output_tokens": 5, "text": {"verbosity": "low"}, "messages": ["Hi"]}
    async with serving(tmp_path, HELLO) as served, post(served, stream=stream, **more) as answer:
        named = answer.headers["x-letta-gateway-ignored"]
    assert named == "messages, max_output_tokens, text.verbosity"


async def test_a_format(tmp_path: Path) -> None:
    """JSON is asked for where the Responses API asks for it; an error says where that is."""
    async with serving(tmp_path, {"Milo": said('{"a": 1}')}, pipeline=None) as served:
        schema = {"type": "object", "required": ["a"]}
        shape = {"type": "json_schema", "name": "thing", "schema": schema, "strict": True}
        response = await response_of(served, text={"format": shape})
        assert said_in(response) == '{"a": 1}'
        assert any("JSON" in m["content"] for m in served.letta.asked[0]["messages"])
        status, wrong = await error_of(post(served, text={"format": {**shape, "name": "a b"}}))
    assert (status, wrong["param"]) == (400, "text.format.name")
    assert "'text.format.name'" in wrong["message"]


async def test_a_format_that_is_not_met(tmp_path: Path) -> None:
    """The header says which field it was."""
    async with (
        serving(tmp_path, {"Milo": said("No.")}, pipeline=None) as served,
        post(served, text={"format": {"type": "json_object"}}) as answer,
    ):
        assert answer.headers["x-letta-gateway-unmet"] == "text.format"


async def test_how_long(tmp_path: Path) -> None:
    """A response that was cut off is incomplete."""
    script = said(*(f"word{i} " for i in range(50)))
    async with serving(tmp_path, {"Milo": script}, pipeline=None) as served:
        response = await response_of(served, max_output_tokens=5)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_errors_before_anything(tmp_path: Path, stream: bool, store: bool) -> None:
    """They are HTTP errors, with the body and the headers that the SDKs know."""
    script = [Refusal(429, {"detail": "slow down"})]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=stream, store=store) as answer:
            assert answer.status == 429
            assert (await answer.json())["error"]["code"] == "rate_limit_exceeded"
        status, wrong = await error_of(post(served, model="Nobody", stream=stream, store=store))
        assert (status, wrong["code"], wrong["param"]) == (404, "model_not_found", "model")
        status, wrong = await error_of(post(served, [], stream=stream, store=store))
        assert (status, wrong["param"]) == (400, "input")
        silent = [{"role": "assistant", "content": "I speak first."}]
        status, wrong = await error_of(post(served, silent, stream=stream, store=store))
    assert (status, wrong["code"], wrong["param"]) == (400, "missing_user_message", "input")
    assert "'input'" in wrong["message"]


async def test_an_error_in_a_stream(tmp_path: Path) -> None:
    """What was said stands, and the last frame says what happened."""
    script = [ping(), text("Half"), error("llm_error", "It broke.")]
    async with serving(tmp_path, {"Milo": script}) as served:
        response = check(await streamed(served))
        assert response["status"] == "failed"
        assert response["error"]["code"] == "upstream_model_error"
        assert await found(served, response["id"]) == response


async def test_an_error_in_a_whole_answer(tmp_path: Path) -> None:
    """It is an HTTP error: half an answer is none to who wants a whole one."""
    script = [ping(), text("Half"), error("llm_error", "It broke.")]
    async with serving(tmp_path, {"Milo": script}) as served:
        status, wrong = await error_of(post(served))
    assert (status, wrong["code"]) == (502, "upstream_model_error")


@pytest.mark.parametrize("store", [True, False])
async def test_a_silent_agent(tmp_path: Path, store: bool) -> None:
    """The stream begins with comments; what comes is as ever."""
    go = asyncio.Event()
    quick = {"keepalive_seconds": 0.05}
    script: list[Step] = [ping(), go, *said("At last.")[1:]]
    async with (
        serving(tmp_path, {"Milo": script}, server=quick) as served,
        post(served, stream=True, store=store) as answer,
    ):
        await first_frame(answer)
        assert answer.status == 200
        while await answer.content.readline() != b": ping\n":
            pass
        go.set()
        assert b'"At last."' in await answer.read()


@pytest.mark.parametrize("store", [True, False])
async def test_a_busy_conversation(tmp_path: Path, store: bool) -> None:
    """A request that waits for another begins with comments, and an error comes in the stream."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("One."), go, stop()]
    quick = {"keepalive_seconds": 0.05}
    waiting = {"use": "conversation_resolver", "config": {"wait_seconds": 0.3}}
    pipeline = [{"use": "agent_resolver"}, waiting]
    chat = {"conversation": "chat", "store": store}
    async with (
        serving(tmp_path, {"Milo": script}, server=quick, pipeline=pipeline) as served,
        post(served, stream=True, **chat) as first,
    ):
        await first_frame(first)
        response = check(await streamed(served, **chat))
        assert (response["status"], response["error"]["code"]) == ("failed", "conversation_busy")
        go.set()
        assert b"response.completed" in await first.read()


async def test_a_kept_response_survives_its_client(tmp_path: Path) -> None:
    """It goes on, and can be asked for."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, text(" two"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True) as answer:
            given = await first_frame(answer)
            answer.close()
        assert (await found(served, given))["status"] == "in_progress"
        go.set()
        response = check(await again(served, given))
        assert said_in(response) == "one two"
    assert served.letta.cancelled == []


async def test_open_webui_hangs_up_to_stop(tmp_path: Path) -> None:
    """Its user has pressed Stop: the run is cancelled at once, and nobody has to wait for it."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    headers = {"X-OpenWebUI-Chat-Id": "chat"}
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True, headers=headers) as answer:
            given = await first_frame(answer)
            while b"one" not in await answer.content.readline():
                pass
            answer.close()
        response = await ended(served, given)
    assert (response["status"], said_in(response)) == ("cancelled", "one")
    assert len(served.letta.cancelled) == 1


async def test_nobody_comes_back(tmp_path: Path) -> None:
    """A response that nobody reads is cancelled after a while; what was said can be read."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    quick = {"resume_grace_seconds": 0.05}
    async with serving(tmp_path, {"Milo": script}, server=quick) as served:
        async with post(served, stream=True) as answer:
            given = await first_frame(answer)
            answer.close()
        await until(lambda: bool(served.letta.cancelled))  # to ask for it would be to read it
        response = await ended(served, given)
    assert (response["status"], said_in(response)) == ("cancelled", "one")
    assert len(served.letta.cancelled) == 1


async def test_a_response_that_is_not_kept(tmp_path: Path) -> None:
    """It is cancelled with its client, and its id is worth nothing."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True, store=False) as answer:
            given = await first_frame(answer)
            answer.close()
        async with asyncio.timeout(10):
            await served.letta.forgotten.wait()
        assert len(served.letta.cancelled) == 1
        status, wrong = await error_of(served.get(f"/v1/responses/{given}"))
    assert (status, wrong["code"]) == (404, "response_not_found")


async def test_in_the_background(tmp_path: Path) -> None:
    """The answer is there at once, and the response when it is done; nobody has to read it."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, text(" two"), stop()]
    quick = {"resume_grace_seconds": 0}
    async with serving(tmp_path, {"Milo": script}, server=quick) as served:
        response = await response_of(served, background=True)
        assert (response["status"], response["background"]) == ("in_progress", True)
        go.set()
        done = await ended(served, response["id"])
    assert (done["status"], said_in(done)) == ("completed", "one two")
    assert served.letta.cancelled == []


async def test_in_the_background_what_is_refused(tmp_path: Path) -> None:
    """What the plugins refuse is an HTTP error there, too; what fails later is a response."""
    async with serving(tmp_path, {"Milo": [Refusal(429, {"detail": "slow"})]}) as served:
        status, wrong = await error_of(post(served, model="Nobody", background=True))
        assert (status, wrong["code"]) == (404, "model_not_found")
        response = await response_of(served, background=True)
        done = await ended(served, response["id"])
    assert (done["status"], done["error"]["code"]) == ("failed", "rate_limit_exceeded")


async def test_in_the_background_and_streamed(tmp_path: Path) -> None:
    """A stream that may be left."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, text(" two"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True, background=True) as answer:
            given = await first_frame(answer)
            answer.close()
        go.set()
        assert said_in(check(await again(served, given))) == "one two"


@pytest.mark.parametrize("store", [True, False])
async def test_once_only(tmp_path: Path, store: bool) -> None:
    """The same key gets the same response, streamed or not; Letta is asked once."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, headers=KEY, store=store)
        async with post(served, headers=KEY, store=store) as answer:
            assert answer.headers["idempotent-replayed"] == "true"
            second = await answer.json()
        third = check(await streamed(served, headers=KEY, store=store))
        assert first["id"] == second["id"] == third["id"]
        assert said_in(first) == said_in(second) == said_in(third)
        status, wrong = await error_of(post(served, "Other", headers=KEY, store=store))
        assert (status, wrong["code"]) == (422, "idempotency_key_reused")
        assert len(served.letta.asked) == 1


async def test_once_only_in_a_chain(tmp_path: Path) -> None:
    """A twin follows the same response, and is the same."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, "one")
        for _ in range(2):
            second = await response_of(served, "two", previous_response_id=first["id"], headers=KEY)
        third = await response_of(served, "three", previous_response_id=second["id"])
        assert said_in(third) == "three "
        assert len(served.letta.asked) == 3


async def test_the_gateway_stops(tmp_path: Path) -> None:
    """Whoever reads is told so."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served, post(served, stream=True) as answer:
        await first_frame(answer)
        while b"one" not in await answer.content.readline():
            pass
        served.gateway.app[RUNNING].end()
        rest = await answer.read()
    assert b"event: response.failed" in rest
    assert b"gateway_stopping" in rest


async def ended(served: Any, given: str) -> Any:
    """A response, as soon as it is over."""
    async with asyncio.timeout(10):
        while (response := await found(served, given))["status"] == "in_progress":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return response
