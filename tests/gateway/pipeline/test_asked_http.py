"""Asked once more in vain, as the official SDK sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError

from gateway.testing.fakeletta import Ask, FakeLetta, Fault, Step
from tests.gateway.serving import Listening, over


PIPELINE = [
    {"use": name}
    for name in ("agent_resolver", "conversation_resolver", "tool_bridge", "response_format")
]
PAY: Any = {"model": "Milo", "messages": [{"role": "user", "content": "Pay 100."}]}
TOOL = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
DEMANDS: dict[str, Any] = {
    "response_format": {"response_format": {"type": "json_object"}},
    "tool_choice": {"tools": [TOOL], "tool_choice": "required"},
}
BUSY = Fault(status=409, body={"detail": {"message": "Another request is being processed"}})
FAILS: list[Step | Fault] = [
    Step(status=429),
    Step(status=500),
    Step("partly", n=2, breaks="drop", after=1),
    Fault(then="drop", after=2),
    BUSY,
]


@asynccontextmanager
async def failing(
    wrong: Step | Fault, tmp_path: Path
) -> AsyncIterator[tuple[Listening, list[Ask]]]:
    """An agent that does not do as it is told, and fails when it is told once more."""
    async with FakeLetta() as letta:
        asked: list[Ask] = []

        def script(ask: Ask) -> list[Step]:
            asked.append(ask)
            if isinstance(wrong, Fault) and len(asked) == 1:
                letta.fail(wrong, path="/messages$", method="POST", times=1)
            if isinstance(wrong, Step) and len(asked) == 2:
                return [wrong] * 9
            return [Step("as I like")] * 9

        letta.add_agent("Milo", script=script)
        async with over(letta.url, tmp_path, pipeline=PIPELINE) as gateway:
            yield gateway, asked


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("wrong", FAILS, ids=["429", "500", "model-drops", "letta-drops", "busy"])
@pytest.mark.parametrize("headers", [{}, {"X-Letta-Chat-Key": "k"}], ids=["no-chat", "chat"])
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "i"}], ids=["no-key", "key"])
async def test_the_sdk_does_not_send_it_again(
    demand: str, wrong: Any, headers: dict[str, str], key: dict[str, str], tmp_path: Path
) -> None:
    """The message was kept with the first answer. With a key, the error stays its answer."""
    async with failing(wrong, tmp_path) as (gateway, asked), gateway.openai() as client:
        tries = []
        for _ in range(2 if key else 1):
            with pytest.raises(APIStatusError) as caught:
                await client.chat.completions.create(
                    **PAY, **DEMANDS[demand], extra_headers={**headers, **key}
                )
            assert caught.value.response.headers["x-should-retry"] == "false"
            tries.append(caught.value.code)
    assert len(set(tries)) == 1
    shown = [[message.text for message in ask.messages] for ask in asked]
    assert len(shown) <= 2
    assert all(texts.count("Pay 100.") == 1 for texts in shown)
