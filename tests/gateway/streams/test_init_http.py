"""Once only, as clients see it: the official SDK, and raw HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, DefaultAsyncHttpxClient, UnprocessableEntityError

from gateway.testing.fakeletta import FakeLetta, Fault
from tests.gateway.played_letta import Drop, Refusal, Step, ping, said, stop, text
from tests.gateway.serving import USER, Served, over, serving
from tests.gateway.surfaces.reading import chunks_of, said_in


KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
HELLO = {"Milo": said("Hello ", "there", ".")}
STREAM = {"model": "Milo", "messages": USER, "stream": True}
WHOLE = {"model": "Milo", "messages": USER}
SLOW = "@@slow:1000@@"


async def whole(served: Served, **more: Any) -> tuple[int, Any, Any]:
    async with served.post(WHOLE, headers=KEY, **more) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_streamed_and_whole_twins(tmp_path: Path) -> None:
    """One may stream and the other not; all have the same id, time, text and usage."""
    usage = {"stream_options": {"include_usage": True}}
    async with serving(tmp_path, HELLO) as served:
        _, first, headers = await whole(served)
        assert "Idempotent-Replayed" not in headers
        _, second, headers = await whole(served)
        assert headers["Idempotent-Replayed"] == "true"
        async with served.post({**STREAM, **usage}, headers=KEY) as answer:
            assert answer.headers["Idempotent-Replayed"] == "true"
            chunks = await chunks_of(answer)
    assert first == second
    shared = {(chunk["id"], chunk["created"]) for chunk in chunks if isinstance(chunk, dict)}
    assert shared == {(first["id"], first["created"])}
    *deltas, last, _ = chunks
    assert said_in(deltas) == first["choices"][0]["message"]["content"] == "Hello there."
    assert last["usage"] == first["usage"]
    assert len(served.letta.asked) == 1


async def test_each_request_has_its_own_id_in_the_log(tmp_path: Path) -> None:
    """The header tells requests apart; the body tells answers apart."""
    async with serving(tmp_path, HELLO) as served:
        ids = {(await whole(served))[2]["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_the_first_to_ask_leaves(tmp_path: Path) -> None:
    """Its turn goes on, and the twin gets the answer from its start."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, text(" two"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with served.post(STREAM, headers=KEY) as answer:
            assert b"one" in await answer.content.readline()
            answer.close()
        async with served.post(STREAM, headers=KEY) as answer:
            go.set()
            assert said_in(await chunks_of(answer)) == "one two"
    assert served.letta.cancelled == []
    assert len(served.letta.asked) == 1


async def test_nobody_comes_back(tmp_path: Path) -> None:
    """After `resume_grace_seconds` the run is cancelled at Letta."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    quick = {"resume_grace_seconds": 0.05}
    async with serving(tmp_path, {"Milo": script}, server=quick) as served:
        async with served.post(STREAM, headers=KEY) as answer:
            assert b"one" in await answer.content.readline()
            answer.close()
        async with asyncio.timeout(10):
            await served.letta.forgotten.wait()
        assert len(served.letta.cancelled) == 1


async def test_an_sdk_that_loses_patience(tmp_path: Path) -> None:
    """An SDK that hangs up and tries again until the answer is there has asked once."""
    go, attempts = asyncio.Event(), list[Any]()

    async def count(request: Any) -> None:
        attempts.append(request)
        if len(attempts) == 3:
            go.set()

    script: list[Step] = [ping(), go, *said("At last.")[1:]]
    hooks = DefaultAsyncHttpxClient(event_hooks={"request": [count]})
    async with (
        serving(tmp_path, {"Milo": script}) as served,
        served.openai(max_retries=8, timeout=0.5, http_client=hooks) as client,
    ):
        answer = await client.chat.completions.create(**WHOLE, extra_headers=KEY)
    assert answer.choices[0].message.content == "At last."
    assert len(served.letta.asked) == 1
    assert len(attempts) >= 3


OWN = [
    {"use": "agent_resolver"},
    {"use": "conversation_resolver", "config": {"chat_headers": ["X-Room"]}},
    {"use": "tool_bridge"},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("header", "settings"), [("X-Letta-Chat-Key", {}), ("X-Room", {"pipeline": OWN})]
)
async def test_an_sdk_without_a_key_in_a_chat(
    tmp_path: Path, stream: bool, header: str, settings: dict[str, Any]
) -> None:
    """Its retry goes on with what it has begun; without a chat it would begin anew."""
    go, attempts = asyncio.Event(), list[Any]()

    async def count(request: Any) -> None:
        attempts.append(request)
        if len(attempts) == 2:
            go.set()

    script: list[Step] = [ping(), go, *said("At last.")[1:]]
    hooks = DefaultAsyncHttpxClient(event_hooks={"request": [count]})
    async with (
        serving(tmp_path, {"Milo": script}, **settings) as served,
        served.openai(max_retries=8, timeout=0.5, http_client=hooks) as client,
    ):
        chat = {header: "ada-1"}
        answer = await client.chat.completions.create(**WHOLE, stream=stream, extra_headers=chat)
        if stream:
            words = "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
        else:
            words = answer.choices[0].message.content
    assert words == "At last."
    assert len(served.letta.asked) == 1
    assert served.letta.cancelled == []


async def test_what_letta_did_not_take_is_sent_again(tmp_path: Path) -> None:
    """An SDK's retry after a refusal runs the turn, and twins then share its answer."""
    async with FakeLetta(pace=0.0) as letta:
        letta.add_agent("Milo")
        letta.fail(Fault(status=429), path="/messages$", method="POST", times=2)
        async with over(letta.url, tmp_path) as served, served.openai(max_retries=3) as client:
            for _ in range(2):
                answer = await client.chat.completions.create(**WHOLE, extra_headers=KEY)
                assert answer.choices[0].message.content == "You said: Hello"
        sent = [each for each in letta.requests if each.path.endswith("/messages")]
        assert len(sent) == 3
        assert len(letta.runs) == 1


async def test_what_letta_may_have_kept_is_not(tmp_path: Path) -> None:
    """The SDK is told not to retry, and who asks again with the key gets the same error."""
    script: list[Step] = [ping(), text("one"), Drop()]
    async with (
        serving(tmp_path, {"Milo": script}) as served,
        served.openai(max_retries=3) as client,
    ):
        told = []
        for _ in range(3):
            with pytest.raises(APIStatusError) as caught:
                await client.chat.completions.create(**WHOLE, extra_headers=KEY)
            told.append((caught.value.status_code, caught.value.body))
    assert told[0] == told[1] == told[2]
    assert len(served.letta.asked) == 1


async def test_another_body(tmp_path: Path) -> None:
    """The key stands for the first; the SDK raises at once."""
    async with serving(tmp_path, HELLO) as served, served.openai(max_retries=3) as client:
        await client.chat.completions.create(**WHOLE, extra_headers=KEY)
        with pytest.raises(UnprocessableEntityError) as caught:
            await client.chat.completions.create(**WHOLE, user="u", extra_headers=KEY)
    assert caught.value.code == "idempotency_key_reused"
    assert len(served.letta.asked) == 1


async def test_refusals_are_not_kept(tmp_path: Path) -> None:
    """A request that failed before Letta was asked may run with the same key."""
    down = Refusal(503)
    async with serving(tmp_path, HELLO) as served:
        served.letta.down = down
        status, body, headers = await whole(served)
        assert status >= 500
        served.letta.down = None
        status, body, headers = await whole(served)
        assert status == 200
        assert "Idempotent-Replayed" not in headers
    assert body["choices"][0]["message"]["content"] == "Hello there."


async def test_what_is_not_honoured_is_said_to_twins(tmp_path: Path) -> None:
    """The header of ignored fields is part of the answer."""
    async with serving(tmp_path, HELLO) as served:
        for _ in range(2):
            async with served.post({**WHOLE, "seed": 1}, headers=KEY) as answer:
                assert answer.headers["x-letta-gateway-ignored"] == "seed"


async def test_comments_while_nothing_comes(tmp_path: Path) -> None:
    """Silence is filled for twins as for others."""
    go = asyncio.Event()
    script: list[Step] = [ping(), go, *said("late")[1:]]
    quick = {"keepalive_seconds": 0.05}
    async with (
        serving(tmp_path, {"Milo": script}, server=quick) as served,
        served.post(STREAM, headers=KEY) as first,
        served.post(STREAM, headers=KEY) as second,
    ):
        for answer in (first, second):
            assert await answer.content.readline() == b": ping\n"
        go.set()
        assert b"late" in await first.read()
        assert b"late" in await second.read()
    assert len(served.letta.asked) == 1


async def test_a_chat_does_not_wait_for_what_nobody_reads(tmp_path: Path) -> None:
    """Whatever surface it was begun in, and whichever goes on; agents have names and ids."""
    async with FakeLetta(pace=0.02) as letta, over(letta.url, tmp_path) as served:
        agent = letta.add_agent("Milo")
        begins = {
            "/v1/responses": {"model": "Milo", "input": SLOW, "stream": True},
            "/chat/stream": {"agent_id": agent.id, "message": SLOW},
            "/v1/chat/completions": {**STREAM, "messages": [{"role": "user", "content": SLOW}]},
        }
        goes_on = {
            "/v1/responses": {"model": agent.id, "input": "Hello"},
            "/chat": {"agent": "Milo", "message": "Hello"},
            "/v1/chat/completions": {**WHOLE, "model": agent.id},
        }
        for begun, first in begins.items():
            for other, second in goes_on.items():
                headers = {"X-Letta-Chat-Key": f"{begun} {other}"}
                once = {**headers, "Idempotency-Key": f"{begun} {other}"}
                async with asyncio.timeout(10):
                    async with served.session.post(
                        served.url + begun, json=first, headers=once
                    ) as answer:
                        while b"w1" not in await answer.content.readline():
                            pass
                        answer.close()
                    async with served.session.post(
                        served.url + other, json=second, headers=headers
                    ) as answer:
                        assert answer.status == 200, await answer.text()
