"""Many at once."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.answer import Answer
from tests.real.behind import eventually
from tests.real.client import Client
from tests.real.conftest import Serve
from tests.real.scripts import does


NAMES = [f"Crowd {number:02d}" for number in range(20)]


async def test_20_agents_at_once(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """All stream at the same time, and each client hears its own agent alone."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make_agent, NAMES))
    client = await serve()
    gate, speaking = uuid.uuid4().hex, set[str]()

    asked = [asyncio.create_task(_ask(client, name, gate, speaking)) for name in NAMES]
    await eventually(lambda: len(speaking) == len(NAMES) or any(each.done() for each in asked))
    letta_server.model.open(gate)
    answers = await asyncio.gather(*asked)

    for name, answer in zip(NAMES, answers, strict=True):
        answer.check()
        assert answer.text == f"{name} " * 20
        assert answer.reasoning == f"I am {name}."
        assert {frame["model"] for frame in answer.frames} == {name}
    assert len({answer.frames[0]["id"] for answer in answers}) == len(NAMES)


async def _ask(client: Client, name: str, gate: str, speaking: set[str]) -> Answer:
    said = does(reason=f"I am {name}.", text=f"{name} " * 20, n=7, after=6, gate=gate)
    async with client.streaming(name, said) as stream:
        await stream.until(lambda answer: answer.text)
        speaking.add(name)
        return await stream.rest()
