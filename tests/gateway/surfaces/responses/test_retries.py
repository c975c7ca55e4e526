"""Requests that an SDK sends again, over a played Letta."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.played_letta import Refusal, Step, echo, error, ping, stop, text
from tests.gateway.serving import Served, serving
from tests.gateway.surfaces.responses.asking import error_of, post, response_of
from tests.gateway.surfaces.responses.reading import Json, check, frames_of, said_in


RESULT = {"type": "function_call_output", "call_id": "c", "output": "21 degrees"}
CALLED = [
    {"role": "user", "content": "What is the weather?"},
    {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"},
    RESULT,
    {"role": "user", "content": "Well?"},
]


def attempt(number: int, **more: str) -> dict[str, str]:
    return {"x-stainless-retry-count": str(number), **more}


async def hung_up(served: Served, said: Any = "Hi", **more: Any) -> None:
    """The first attempt: its client gives up before it has heard anything."""
    asking = asyncio.create_task(response_of(served, said, **more))
    await served.letta.busy.wait()
    await asyncio.sleep(0.05)  # Letta was asked in the moment in which it is noted
    asking.cancel()
    await asyncio.wait({asking})


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("said", "more", "headers"),
    [
        ("Hi", {"conversation": "chat"}, {}),
        ("Hi", {"metadata": {"chat_id": "chat"}}, {}),
        ("Hi", {}, {"X-Letta-Chat-Key": "chat"}),
        (CALLED, {}, {}),
    ],
    ids=["conversation", "metadata", "header", "results"],
)
async def test_it_goes_on_with_what_was_begun(
    tmp_path: Path, stream: bool, said: Any, more: Json, headers: Any
) -> None:
    """In a chat with a name nothing is said twice, and results of tools nowhere."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        first = attempt(0, **headers)
        await hung_up(served, said, stream=stream, headers=first, **more)
        go.set()
        for number in (1, 2):
            again = attempt(number, **headers)
            async with post(served, said, stream=stream, headers=again, **more) as answer:
                assert answer.headers["idempotent-replayed"] == "true"
                body = await answer.read()
                response = check(frames_of(body)) if stream else await answer.json()
            assert said_in(response) == "one"
        assert len(served.letta.asked) == 1


async def test_who_says_the_same_again_is_no_retry(tmp_path: Path) -> None:
    """The first attempt is new; the second one is that of the last first one."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        one = await response_of(served, conversation="chat", headers=attempt(0))
        two = await response_of(served, conversation="chat", headers=attempt(0))
        again = await response_of(served, conversation="chat", headers=attempt(1))
        other = await response_of(served, "Well?", conversation="chat", headers=attempt(1))
        assert len({one["id"], two["id"], other["id"]}) == 3
        assert again["id"] == two["id"]
        assert len(served.letta.asked) == 3


async def test_without_a_name_it_is_another(tmp_path: Path) -> None:
    """Two that say the same may be meant as two, and each has a conversation of its own."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, headers=attempt(0))
        again = await response_of(served, headers=attempt(1))
        branch = {"previous_response_id": first["id"]}
        left = await response_of(served, headers=attempt(0), **branch)
        right = await response_of(served, headers=attempt(1), **branch)
        assert len({each["id"] for each in (first, again, left, right)}) == 4


async def test_clients_that_do_not_count(tmp_path: Path) -> None:
    """Only those who say so try again."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        for _ in range(2):
            await response_of(served, conversation="chat")
        assert len(served.letta.asked) == 2


async def test_what_has_failed_is_tried_again(tmp_path: Path) -> None:
    """Its client was told the error, and that it may."""
    refusals = [[Refusal(429, {"detail": "slow down"})]]

    def script(body: Any) -> Any:
        return refusals.pop() if refusals else echo(body)

    async with serving(tmp_path, {"Milo": script}) as served:
        status, _ = await error_of(post(served, CALLED, headers=attempt(0)))
        assert status == 429
        response = await response_of(served, CALLED, headers=attempt(1))
        assert said_in(response) == "Well? "


async def test_a_failure_that_nobody_heard_of(tmp_path: Path) -> None:
    """It is told, as Letta may have kept what was said."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("Half"), go, error("llm_error", "It broke.")]
    async with serving(tmp_path, {"Milo": script}) as served:
        await hung_up(served, conversation="chat", headers=attempt(0))
        go.set()
        status, wrong = await error_of(post(served, conversation="chat", headers=attempt(1)))
        assert (status, wrong["code"]) == (502, "upstream_model_error")
        assert len(served.letta.asked) == 1
