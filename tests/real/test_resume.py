"""Streams whose connection to a real Letta breaks: they are read on, and no client notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
import pytest

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.conftest import Serve
from tests.real.cutting import cutting
from tests.real.scripts import does


WORDS = [f"w{number} " for number in range(12)]
SAID = does(text=WORDS, reason="So it is.", delay=0.05)


@pytest.mark.parametrize(
    "cuts", [[1], [2], [5], [9], [12], [13], [14], [15], [4, 2, 3], [3, 1, 1, 1, 1, 1, 1]]
)
async def test_read_on(
    letta_server: LettaServer, make_agent: MakeAgent, serve: Serve, cuts: Sequence[int]
) -> None:
    """After so many events of each connection; Letta's agent has heard the message once."""
    if not letta_server.has_redis:
        pytest.skip("without Redis Letta has no background runs")
    agent = make_agent("Resumed")
    async with cutting(letta_server.url) as proxy:
        client = await serve(letta={"base_url": proxy.url})
        async with openai.AsyncOpenAI(
            base_url=f"{client.url}/v1", api_key="sk-x", max_retries=0
        ) as sdk:
            proxy.cuts += cuts
            answer: Any = await sdk.chat.completions.create(
                model=agent.id,
                messages=[{"role": "user", "content": SAID}],
                stream=True,
                stream_options={"include_usage": True},
                extra_headers={"Idempotency-Key": f"cut {cuts}"},
            )
            chunks = [chunk async for chunk in answer]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "".join(WORDS)
    assert "".join(getattr(delta, "reasoning", None) or "" for delta in deltas) == "So it is."
    assert chunks[-1].usage.completion_tokens > 0
    assert proxy.cuts == []
    assert len(list(letta_server.client.runs.list(agent_id=agent.id))) == 1


async def test_without_a_key_it_ends_with_its_connection(
    letta_server: LettaServer, make_agent: MakeAgent, serve: Serve
) -> None:
    """What is not kept is not run in the background: an error follows what was said."""
    agent = make_agent("Not resumed")
    async with cutting(letta_server.url) as proxy:
        client = await serve(letta={"base_url": proxy.url})
        async with openai.AsyncOpenAI(
            base_url=f"{client.url}/v1", api_key="sk-x", max_retries=0
        ) as sdk:
            proxy.cuts.append(5)
            answer: Any = await sdk.chat.completions.create(
                model=agent.id, messages=[{"role": "user", "content": SAID}], stream=True
            )
            with pytest.raises(openai.APIError, match="broke off"):
                async for _ in answer:
                    pass


@pytest.mark.parametrize("cut", [2, 4, 5])
async def test_an_older_agent(
    letta_server: LettaServer, make_agent: MakeAgent, serve: Serve, cut: int
) -> None:
    """What it says is the argument of a tool; it is read on likewise."""
    if not letta_server.has_redis:
        pytest.skip("without Redis Letta has no background runs")
    agent = make_agent("Old and resumed", type="memgpt_v2_agent")
    async with cutting(letta_server.url) as proxy:
        client = await serve(letta={"base_url": proxy.url})
        async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="x") as sdk:
            proxy.cuts.append(cut)
            answer = await sdk.chat.completions.create(
                model=agent.id,
                messages=[{"role": "user", "content": "Hello there"}],
                extra_headers={"Idempotency-Key": f"older {cut}"},
            )
    assert answer.choices[0].message.content == "You said: Hello there"
    assert proxy.cuts == []
