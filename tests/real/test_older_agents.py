"""Agents of the older types: their tokens lose text at Letta, and no text is ever missing."""

from __future__ import annotations

import asyncio
import json

import pytest
from letta_client.types import AgentType

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.scenarios import MARKDOWN, UNICODE
from tests.real.behind import Behind
from tests.real.client import assistant, user
from tests.real.conftest import Serve
from tests.real.gateways import pipeline
from tests.real.scripts import does, does_all


OLDER: list[AgentType] = ["memgpt_agent", "memgpt_v2_agent"]
RECONSTRUCTOR = "newline_reconstructor"
TABLE = '| a | b |\n|---|---|\n| "1" | `x\\\\y` |\n\nSo it is.'
TEXTS = {
    "quoted": 'She said "no"',
    "markdown": MARKDOWN,
    "escapes": 'a \\ b \\\\ c \\n d \t e \r f "g" /h',
    "unicode": "".join(UNICODE),
}


@pytest.mark.parametrize("type", OLDER)
@pytest.mark.parametrize("name", TEXTS)
async def test_tokens_that_are_lost(
    serve: Serve, make_agent: MakeAgent, behind: Behind, type: AgentType, name: str
) -> None:
    """With small tokens Letta streams nothing at all: the text is the stored one exactly."""
    agent = make_agent("Old", type=type)
    client = await serve(pipeline=pipeline(agent_resolver={"older_agents": "tokens"}))

    for size in range(1, 6) if type == "memgpt_v2_agent" else (2,):
        answer = await client.stream("Old", does(text=TEXTS[name], n=size))
        answer.check()
        assert answer.text == TEXTS[name]
        assert behind.said("default", agent.id)[-1] == ("assistant", TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
async def test_tokens_that_are_streamed(serve: Serve, make_agent: MakeAgent, name: str) -> None:
    """With longer ones it streams all but the end; Letta drops a space here and there."""
    make_agent("Old", type="memgpt_agent")
    client = await serve(pipeline=pipeline(agent_resolver={"older_agents": "tokens"}))

    for size in (6, 10, 14):
        answer = await client.stream("Old", does(text=TEXTS[name], n=size))
        answer.check()
        assert "".join(answer.text.split()) == "".join(TEXTS[name].split())


async def test_a_slow_model(serve: Serve, make_agent: MakeAgent) -> None:
    """Escapes that are cut are put together, however long the model waits in between."""
    make_agent("Old", type="memgpt_agent")
    hold = {"hold_ms": 10}
    settings = {"agent_resolver": {"older_agents": "tokens"}, RECONSTRUCTOR: hold}
    client = await serve(pipeline=pipeline(**settings))
    head, *pieces = [
        '{"thinking": "x", "message": "',
        "line one\\",
        "nline two \\",
        'u00e9nd. All."}',
    ]

    answer = await client.stream("Old", does(raw_tool=["send_message", [head, *pieces]], delay=0.2))

    answer.check()
    assert len(answer.pieces) > 1
    assert "".join(answer.text.split()) == "lineonelinetwoénd.All."


async def test_steps(serve: Serve, make_agent: MakeAgent, behind: Behind) -> None:
    """Streamed by steps, which is the default, every text is the stored one exactly."""
    agent = make_agent("Old", type="memgpt_v2_agent")
    client = await serve()

    for text in TEXTS.values():
        answer = await client.stream("Old", does(text=text, n=3))
        answer.check()
        assert answer.text == text
        assert behind.said("default", agent.id)[-1] == ("assistant", text)


async def test_tokens_as_they_are(serve: Serve, make_agent: MakeAgent) -> None:
    """Without the reconstructor the client is sent the inside of a JSON string, and all of it."""
    make_agent("Old", type="memgpt_v2_agent")
    steps = pipeline(agent_resolver={"older_agents": "tokens"})
    client = await serve(pipeline=[step for step in steps if step["use"] != RECONSTRUCTOR])

    for size in (1, 4):
        answer = await client.stream("Old", does(text=TABLE, n=size))
        answer.check()
        assert json.loads(f'"{answer.text}"') == TABLE


@pytest.mark.parametrize("older_agents", ["tokens", "steps"])
@pytest.mark.parametrize("type", OLDER)
async def test_several_steps(
    serve: Serve, make_agent: MakeAgent, type: AgentType, older_agents: str
) -> None:
    """The thoughts of each step are shown, and the text after a tool is whole."""
    make_agent("Old", type=type)
    client = await serve(pipeline=pipeline(agent_resolver={"older_agents": older_agents}))
    search = {"name": "conversation_search", "args": {"query": "plums"}}
    said = does_all({"reason": "First.", "tools": [search]}, {"reason": "Second.", "text": TABLE})

    answer = await client.stream("Old", said)

    answer.check()
    assert answer.text == TABLE
    assert [line.strip() for line in answer.reasoning.split("\n\n")] == ["First.", "Second."]


async def test_one_chat(serve: Serve, make_agent: MakeAgent) -> None:
    """There is one context: a second chat and a turn asked anew are refused, a task says {}."""
    make_agent("Old", type="memgpt_v2_agent")
    client = await serve()
    chat, other = {"X-Letta-Chat-Key": "one"}, {"X-Letta-Chat-Key": "two"}
    history = [user("one"), assistant("You said: one"), user("two")]

    first = await client.ask("Old", "one", chat)
    second = await client.ask("Old", history, chat)
    again = await client.ask("Old", history, chat)
    refused = await client.ask("Old", "hello", other, stream=True)
    task = await client.ask("Old", "a title", chat | {"X-OpenWebUI-Task": "title_generation"})

    assert (first.text, second.text, task.text) == ("You said: one", "You said: two", "{}")
    for answer in (again, refused):
        assert (answer.status, answer.error["code"]) == (409, "conversation_unsupported")


async def test_a_shared_context(serve: Serve, make_agent: MakeAgent, behind: Behind) -> None:
    """With share_legacy several chats go on in it, one request at a time."""
    agent = make_agent("Old", type="memgpt_agent")
    client = await serve(pipeline=pipeline(conversation_resolver={"share_legacy": True}))

    answers = await asyncio.gather(
        *(client.ask("Old", f"hello {key}", {"X-Letta-Chat-Key": key}) for key in ("a", "b", "c"))
    )

    texts = [f"You said: hello {key}" for key in ("a", "b", "c")]
    assert [answer.text for answer in answers] == texts
    told = [text for role, text in behind.said("default", agent.id) if role == "assistant"]
    assert sorted(told[-3:]) == texts
