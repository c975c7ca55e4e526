"""The loop of older agent types, beyond what was recorded."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta import FakeAgent, FakeLetta, ServerTool, Step, ToolUse
from tests.gateway.testing.fakeletta.conftest import Asker, labels, text


async def test_one_context_for_everything(letta: FakeLetta, asker: Asker) -> None:
    """What is said in one conversation is known in another."""
    agent = letta.add_agent("Old", type="memgpt_agent")
    one, other = await asker.conversation(agent), await asker.conversation(agent)
    await asker.stream(one, "hi", stream_tokens=False)
    frames = await asker.stream(other, "@@sysinfo@@", stream_tokens=False)
    assert text(frames).count('"user"') == 4  # The login, both messages, and a key.


async def test_wakes_up(letta: FakeLetta, asker: Asker) -> None:
    """The history begins with the messages of its waking up."""
    agent = letta.add_agent("Old", type="memgpt_v2_agent")
    listed = (await asker.http.get(f"/v1/agents/{agent.id}/messages")).json()
    assert [each["message_type"] for each in listed] == [
        "system_message",
        "reasoning_message",
        "assistant_message",
        "user_message",
    ]


async def test_tokens_lose_what_the_stored_message_has(letta: FakeLetta, asker: Asker) -> None:
    """Tokens may show no text at all; the stored message has it."""
    agent = letta.add_agent("Old", type="memgpt_agent", script=[Step("all of it", sm=3)])
    frames = await asker.stream(agent, "hi")
    assert set(labels(frames)[:-3]) == {"reasoning_message"}
    listed = (await asker.http.get(f"/v1/agents/{agent.id}/messages")).json()
    assert listed[-1]["content"] == "all of it"


@pytest.mark.parametrize(("tokens", "type"), [(True, "llm_rate_limit"), (False, "internal_error")])
async def test_errors_by_steps_are_unclassified(
    letta: FakeLetta, asker: Asker, tokens: bool, type: str
) -> None:
    """Streamed by steps, a model's 429 can only be told from the error's detail."""
    agent = letta.add_agent("Old", type="memgpt_agent")
    frames = await asker.stream(agent, "@@err429@@", stream_tokens=tokens)
    assert frames[-2].json["error_type"] == type
    assert "Error code: 429" in frames[-2].json["detail"]


async def test_max_steps(letta: FakeLetta, asker: Asker) -> None:
    """Heartbeats go on until the steps are used up."""
    tool = ServerTool("look", lambda city, unit: "seen")
    agent = letta.add_agent("Old", type="react_agent", tools=[tool])
    frames = await asker.stream(agent, "@@loop:look@@", stream_tokens=False, max_steps=2)
    assert labels(frames).count("tool_return_message") == 2
    assert labels(frames)[-3] == "stop:max_steps"


async def test_without_a_heartbeat_it_ends(letta: FakeLetta, asker: Asker) -> None:
    """A tool that is called without a heartbeat ends the turn."""
    tool = ServerTool("look", lambda: "seen")
    script = [Step(rawtool=("look", ('{"thinking": "hm"}',)))]
    agent = letta.add_agent("Old", type="memgpt_agent", tools=[tool], script=script)
    frames = await asker.stream(agent, "hi", stream_tokens=False)
    assert labels(frames) == [
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "stop:end_turn",
        "usage_statistics",
        "[DONE]",
    ]


async def test_client_tools_are_ignored(letta: FakeLetta, asker: Asker) -> None:
    """A client's tool is a tool that the agent does not have."""
    agent = letta.add_agent("Old", type="memgpt_agent")
    tools = [{"name": "get_weather"}]
    frames = await asker.stream(agent, "@@tool@@", client_tools=tools, stream_tokens=False)
    (result,) = [frame.json for frame in frames if frame.label == "tool_return_message"]
    assert result["status"] == "error"
    assert text(frames) == "It is 21 degrees in Paris."


async def test_approved(letta: FakeLetta, asker: Asker) -> None:
    """The oldest form of an approval runs the tool."""
    tool = ServerTool("look", lambda city: f"seen {city}", requires_approval=True)
    script = [Step(tools=(ToolUse("look", {"city": "Rome"}, "call_1"),)), Step("Told.")]
    agent = letta.add_agent("Old", type="memgpt_v2_agent", tools=[tool], script=script)
    asked = await asker.stream(agent, "hi", stream_tokens=False)
    request = next(f.json["id"] for f in asked if f.label == "approval_request_message")
    answer = {"type": "approval", "approve": True, "approval_request_id": request}
    frames = await asker.stream(agent, answer, stream_tokens=False)
    assert frames[0].json["tool_return"] == "seen Rome"
    assert text(frames) == "Told."


def asks_to_look(letta: FakeLetta) -> FakeAgent:
    """An agent whose tool waits for approval."""
    tool = ServerTool("look", lambda city: f"seen {city}", requires_approval=True)
    script = [Step(tools=(ToolUse("look", {"city": "Rome"}, "call_1"),)), Step("Told.")]
    return letta.add_agent("Old", type="memgpt_v2_agent", tools=[tool], script=script)


def denial(of: str, reason: str = "no") -> dict[str, object]:
    return {"type": "approval", "approve": False, "approval_request_id": of, "reason": reason}


def prompts(agent: FakeAgent) -> list[tuple[str, str]]:
    """What the model is shown, without what an agent wakes up with."""
    shown = [prompt for message in agent.context.window for prompt in message.prompts]
    return [(prompt.role, prompt.text) for prompt in shown][4:]


async def test_a_denial_in_one_step(letta: FakeLetta, asker: Asker) -> None:
    """With one step the denial is taken, and the model is not asked."""
    agent = asks_to_look(letta)
    await asker.stream(agent, "hi", stream_tokens=False)
    frames = await asker.stream(agent, denial("call_1"), stream_tokens=False, max_steps=1)
    assert labels(frames) == [
        "tool_return_message",
        "stop:max_steps",
        "usage_statistics",
        "[DONE]",
    ]
    assert frames[-2].json["step_count"] == 0
    assert prompts(agent)[2] == ("tool", "Error: request to call tool denied. User reason: no")


async def test_a_denial_that_is_not_the_last_message(letta: FakeLetta, asker: Asker) -> None:
    """It is not seen: the model is shown a call without a result, for ever."""
    agent = asks_to_look(letta)
    await asker.stream(agent, "hi", stream_tokens=False)
    agent.script = [Step("What?")]
    frames = await asker.stream(agent, denial("call_1"), "and now?", stream_tokens=False)
    assert text(frames) == "What?"
    assert prompts(agent)[:3] == [("user", "hi"), ("assistant", ""), ("user", "and now?")]


@pytest.mark.parametrize("key", ["properties", "required"])
async def test_a_schema_that_lacks_something(letta: FakeLetta, asker: Asker, key: str) -> None:
    """An older agent cannot be asked anything while it has a tool with such a schema."""
    parameters = {"type": "object", "properties": {}, "required": []}
    del parameters[key]
    tool = ServerTool("look", print, schema={"name": "look", "parameters": parameters})
    agent = letta.add_agent("Old", type="memgpt_agent", tools=[tool])
    frames = await asker.stream(agent, "hi", stream_tokens=False)
    assert frames[-2].json["detail"] == f"'{key}'"
