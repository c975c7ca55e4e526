"""An agent that waits for somebody's approval of a tool call."""

from __future__ import annotations

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.behind import Behind
from tests.real.client import assistant, user
from tests.real.conftest import Serve
from tests.real.gateways import pipeline
from tests.real.scripts import does_all


CHAT = {"X-Letta-Chat-Key": "chat-1"}
DELETES = {"name": "delete_files", "description": "Delete.", "parameters": {"type": "object"}}
CALLS = does_all({"tools": [{"name": "delete_files"}]})


async def test_of_another_programs_tool(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """A call that another program has left waiting is denied, and the chat goes on."""
    agent = make_agent("Milo")
    client = await serve()
    await client.ask("Milo", "one", CHAT)
    [conversation] = behind.conversations(agent.id)
    with letta_server.client.conversations.messages.create(
        conversation,
        messages=[{"role": "user", "content": CALLS}],
        client_tools=[DELETES],
    ) as stream:
        assert [each.stop_reason for each in stream if each.message_type == "stop_reason"] == [
            "requires_approval"
        ]

    history = [user("one"), assistant("You said: one"), user("two")]
    answer = await client.ask("Milo", history, CHAT)

    assert (answer.status, answer.text) == (200, "You said: two")


def delete_all() -> str:
    """Delete everything."""
    return "gone"


async def test_of_the_agents_own_tool(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """
    A tool that a person must approve ends the answer in an error that says so; whoever goes
    on instead of approving it has denied it.
    """
    agent = make_agent("Milo", tools=[delete_all])
    letta_server.client.agents.tools.update_approval(
        "delete_all", agent_id=agent.id, body_requires_approval=True
    )
    settings = {"mode": "agent", "agent_conversation": "default"}
    client = await serve(pipeline=pipeline(conversation_resolver=settings))
    said = does_all({"text": "I shall.", "tools": [{"name": "delete_all"}]})

    first = await client.stream("Milo", said)
    second = await client.ask("Milo", "Hello?")

    assert first.text == "I shall."
    assert [error["code"] for error in first.errors] == ["pending_approval"]
    assert "delete_all" in first.errors[0]["message"]
    assert not any("tool_calls" in delta for delta in first.deltas)
    assert (second.status, second.text) == (200, "You said: Hello?")
