"""The loop of today's agents, beyond what was recorded."""

from __future__ import annotations

from gateway.testing.fakeletta import FakeLetta, ServerTool, Step, ToolUse
from tests.gateway.testing.fakeletta.conftest import Asker, labels, text


def tool(name: str) -> ServerTool:
    """A tool that says its name."""
    return ServerTool(name, lambda city, unit="c": f"{name} of {city}")


async def test_only_the_first_call(letta: FakeLetta, asker: Asker) -> None:
    """With parallel calls off the stream shows both, and Letta runs the first alone."""
    agent = letta.add_agent("Milo", tools=[tool("one"), tool("two")])
    frames = await asker.stream(agent, "@@two:one,two@@")
    ids = {f.json["tool_call"]["tool_call_id"] for f in frames if f.label == "tool_call_message"}
    (result,) = [frame.json for frame in frames if frame.label == "tool_return_message"]
    assert ids == {"call_a", "call_b"}
    assert [each["tool_call_id"] for each in result["tool_returns"]] == ["call_a"]


async def test_parallel_calls(letta: FakeLetta, asker: Asker) -> None:
    """With parallel calls on, their results come in one message."""
    agent = letta.add_agent("Milo", tools=[tool("one"), tool("two")], parallel_tool_calls=True)
    frames = await asker.stream(agent, "@@two:one,two@@")
    (result,) = [frame.json for frame in frames if frame.label == "tool_return_message"]
    returned = {each["tool_call_id"]: each["tool_return"] for each in result["tool_returns"]}
    assert returned == {"call_a": "one of Paris", "call_b": "two of Rome"}


async def test_late_failures_look_different(letta: FakeLetta, asker: Asker) -> None:
    """After something was said every error is an internal one, and there is no [DONE]."""
    script = [Step(tools=(ToolUse("one", {"city": "Rome"}),)), Step(status=429)]
    agent = letta.add_agent("Milo", tools=[tool("one")], script=script)
    frames = await asker.stream(agent, "hi")
    assert labels(frames)[-2:] == ["stop:llm_api_error", "error:error_message"]
    assert frames[-1].json["error_type"] == "internal_error"


async def test_a_failed_turn_is_rolled_back(letta: FakeLetta, asker: Asker) -> None:
    """Of a failed turn nothing is kept, not even the question; finished steps are."""
    agent = letta.add_agent("Milo", tools=[tool("one")])
    await asker.stream(agent, "@@drop@@")
    assert [message.kind for message in agent.context.window] == ["system"]
    agent.script = [Step(tools=(ToolUse("one", {"city": "Rome"}),)), Step(status=500)]
    await asker.stream(agent, "hi")
    kept = [message.kind for message in agent.context.window]
    assert kept == ["system", "user", "assistant", "tool"]


async def test_several_messages(letta: FakeLetta, asker: Asker) -> None:
    """Several input messages are shown to the model in their order, parts joined."""
    agent = letta.add_agent("Milo")
    parts = [{"type": "text", "text": "@@sys"}, {"type": "text", "text": "info@@"}]
    frames = await asker.stream(
        agent,
        {"role": "system", "content": "be brief"},
        "q",
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": parts},
    )
    assert '"roles": ["system", "system", "user", "assistant", "user"]' in text(frames)


async def test_a_script_sees_the_conversation(letta: FakeLetta, asker: Asker) -> None:
    """A script that is a function answers by what was said before."""
    agent = letta.add_agent("Milo", script=lambda ask: [Step(f"{len(ask.messages)} messages")])
    conversation = await asker.conversation(agent)
    answers = [text(await asker.stream(conversation, "hi")) for _ in range(2)]
    assert answers == ["2 messages", "4 messages"]
