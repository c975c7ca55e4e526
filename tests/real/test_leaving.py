"""Clients that leave: the run is cancelled at Letta, and the chat goes on afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.behind import Behind, eventually
from tests.real.client import assistant, client_of, client_process, said_by, user
from tests.real.conftest import Serve
from tests.real.gateways import command, write_config
from tests.real.scripts import does, does_all


CHAT = {"X-Letta-Chat-Key": "chat-1"}


def gate_of(agent_id: str) -> str:
    return f"@@gate:{agent_id}@@"


@pytest.mark.parametrize("type", ["letta_v1_agent", "memgpt_agent"])
async def test_in_mid_stream(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer, type
) -> None:
    """The run is cancelled while the model still speaks."""
    agent = make_agent("Milo", type=type)
    client = await serve(server={"keepalive_seconds": 0.2})

    async with client.streaming("Milo", gate_of(agent.id)) as stream:
        await stream.until(lambda answer: answer.text or answer.comments)
        await behind.run(agent.id)  # a comment may go out before Letta is asked

    await behind.ended(agent.id, "cancelled")
    letta_server.model.open(agent.id)


async def test_before_the_first_word(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """A client may leave before it was sent as much as a header."""
    agent = make_agent("Milo")
    client = await serve()

    asking = asyncio.create_task(client.stream("Milo", does(text="late", gate=agent.id)))
    await behind.run(agent.id)
    asking.cancel()

    await behind.ended(agent.id, "cancelled")
    letta_server.model.open(agent.id)


async def test_not_streamed(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """It makes no difference that the answer was not to be streamed."""
    agent = make_agent("Milo")
    client = await serve()

    asking = asyncio.create_task(client.ask("Milo", gate_of(agent.id)))
    await behind.run(agent.id)
    asking.cancel()

    await behind.ended(agent.id, "cancelled")
    letta_server.model.open(agent.id)


def wait_for(model_url: str, said: str) -> str:
    """
    Ask a model and wait for its answer.

    Args:
        model_url (str): Where the model is.
        said (str): What it is told.
    """
    import json
    import urllib.request

    body = {"model": "waited-for", "messages": [{"role": "user", "content": said}]}
    request = urllib.request.Request(
        f"{model_url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    return urllib.request.urlopen(request).read().decode()


async def test_during_a_tool(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """A run whose tool is at work is cancelled, too: the model is not asked again."""
    agent = make_agent("Milo", tools=[wait_for])
    client = await serve()
    model, gate = letta_server.model, gate_of(agent.id)
    call = {"name": "wait_for", "args": {"model_url": model.url, "said": gate}}
    said = does_all({"text": "Let me see. ", "tools": [call]}, {"text": f"seen by {agent.id}"})

    async with client.streaming("Milo", said) as stream:
        await stream.until(lambda answer: answer.text == "Let me see. ")
        await eventually(
            lambda: [
                request
                for request in model.requests()
                if request["body"]["model"] == "waited-for"
                and request["body"]["messages"][0]["content"] == gate
            ]
        )

    await behind.ended(agent.id, "cancelled")
    model.open(agent.id)


async def test_the_run_may_go_on(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """With cancel_on_disconnect false it completes, and the chat has the answer."""
    agent = make_agent("Milo")
    client = await serve(letta={"cancel_on_disconnect": False})

    async with client.streaming("Milo", gate_of(agent.id), CHAT) as stream:
        await stream.until(lambda answer: answer.text)
    letta_server.model.open(agent.id)

    await behind.ended(agent.id, "completed")
    [conversation] = behind.conversations(agent.id)
    assert behind.said(conversation)[-1] == ("assistant", "one two three four five")
    history = [user(gate_of(agent.id)), assistant("one two "), user("next")]
    await client.ask("Milo", history, CHAT)
    assert [text for role, text in behind.said(conversation) if role == "user"] == [
        gate_of(agent.id),
        "next",
    ]


async def test_the_chat_goes_on(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """Letta rolls a cancelled turn back: it is sent again, once, with the next message."""
    agent = make_agent("Milo")
    client = await serve()
    # Letta looks twice a second whether a run was cancelled; a quicker model ends before that.
    slow = does(text=["one ", "two ", "three ", "four"], after=2, gate=agent.id, delay=0.3)
    await client.ask("Milo", "zero", CHAT)
    history = [user("zero"), assistant("You said: zero"), user(slow)]

    async with client.streaming("Milo", history, CHAT) as stream:
        await stream.until(lambda answer: answer.text == "one two ")
    await behind.ended(agent.id, "cancelled")
    letta_server.model.open(agent.id)
    history += [assistant("one two "), user("next")]
    answer = await client.stream("Milo", history, CHAT)
    if answer.errors:  # Letta has waited a minute for its database, in vain: users ask again
        answer = await client.stream("Milo", history, CHAT)
    history += [assistant(answer.text), user("last")]
    await client.ask("Milo", history, CHAT)

    answer.check()
    [conversation] = behind.conversations(agent.id)
    assert behind.said(conversation) == [
        ("user", "zero"),
        ("assistant", "You said: zero"),
        ("user", slow),
        ("assistant", "one two "),
        ("user", "next"),
        ("assistant", "You said: next"),
        ("user", "last"),
        ("assistant", "You said: last"),
    ]


async def test_a_scratch_conversation_is_deleted(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """Leaving does not leave anything behind."""
    agent = make_agent("Milo")
    client = await serve()

    async with client.streaming("Milo", gate_of(agent.id)) as stream:
        await stream.until(lambda answer: answer.text)
    await behind.ended(agent.id, "cancelled")
    letta_server.model.open(agent.id)

    await eventually(lambda: not behind.conversations(agent.id))


KILLED = """
import sys, urllib.request
headers = {"Content-Type": "application/json"}
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), headers)
with urllib.request.urlopen(request) as answer:
    for line in answer:
        print(line.decode(), end="", flush=True)
"""


async def test_a_client_that_is_killed(
    tmp_path: Path, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """A client that dies without a word is noticed by the gateway as it is run in production."""
    agent = make_agent("Milo")
    asked = {"model": "Milo", "stream": True, "messages": [user(gate_of(agent.id))]}
    body = json.dumps(asked)
    with command(write_config(tmp_path, letta_server.url)) as gateway:
        address = f"{gateway.url}/v1/chat/completions"
        async with client_process(sys.executable, "-c", KILLED, address, body) as client:
            await said_by(client, b"two")

        await behind.ended(agent.id, "cancelled")
        letta_server.model.open(agent.id)


async def test_the_gateway_is_asked_to_end(
    tmp_path: Path, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """On SIGTERM a running stream finishes, and then the process ends."""
    agent = make_agent("Milo")
    with command(write_config(tmp_path, letta_server.url)) as gateway:
        async with (
            client_of(gateway.url) as client,
            client.streaming("Milo", gate_of(agent.id)) as stream,
        ):
            await stream.until(lambda answer: answer.text)
            gateway.process.terminate()
            await eventually(lambda: "stopping" in gateway.log.read_text())
            letta_server.model.open(agent.id)
            answer = await stream.rest()

        await eventually(lambda: gateway.process.poll() is not None)
    answer.check()
    assert answer.text == "one two three four five"
    assert gateway.process.returncode == 0
    assert "Traceback" not in gateway.log.read_text()
