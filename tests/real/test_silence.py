"""Models that keep a client waiting: comments keep the connection alive."""

from __future__ import annotations

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.conftest import Serve
from tests.real.scripts import does


async def test_a_slow_start(serve: Serve, make_agent: MakeAgent, letta_server: LettaServer) -> None:
    """Comments come before the first word and go on until it is said."""
    agent = make_agent("Slow")
    client = await serve(server={"keepalive_seconds": 0.2})

    async with client.streaming("Slow", does(text="finally", gate=agent.id)) as stream:
        before = await stream.until(lambda answer: answer.comments == 5)
        assert before.frames == []
        letta_server.model.open(agent.id)
        answer = await stream.rest()

    answer.check()
    assert answer.text == "finally"


async def test_a_pause(serve: Serve, make_agent: MakeAgent, letta_server: LettaServer) -> None:
    """Comments come in the middle of a text, and nothing is lost."""
    agent = make_agent("Pauses")
    client = await serve(server={"keepalive_seconds": 0.2})

    async with client.streaming("Pauses", f"@@gate:{agent.id}@@") as stream:
        await stream.until(lambda answer: answer.text == "one two " and answer.comments >= 3)
        letta_server.model.open(agent.id)
        answer = await stream.rest()

    answer.check()
    assert answer.text == "one two three four five"


async def test_longer_than_the_longest_read(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """A model may be silent for longer than Letta may: Letta's pings say that it lives."""
    agent = make_agent("Patience")
    client = await serve(letta={"read_seconds": 21}, server={"keepalive_seconds": 1})

    async with client.streaming("Patience", f"@@gate:{agent.id}@@") as stream:
        await stream.until(lambda answer: answer.comments == 24)
        letta_server.model.open(agent.id)
        answer = await stream.rest()

    answer.check()
    assert answer.text == "one two three four five"


async def test_an_error_after_a_slow_start(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """Once comments have gone out, an error is a frame."""
    make_agent("Slow")
    client = await serve(server={"keepalive_seconds": 0.1})

    async with client.streaming("Slow", "@@err429@@") as stream:
        answer = await stream.rest()

    assert answer.comments
    assert answer.done
    assert [error["code"] for error in answer.errors] == ["rate_limit_exceeded"]
    assert answer.choices == []
