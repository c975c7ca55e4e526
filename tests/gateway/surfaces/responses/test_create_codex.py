"""Codex CLI, over a make-believe Letta."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.testing.fakeletta import Ask, FakeLetta, ServerTool, Step, ToolUse
from tests.clients.codex.running import Codex, items
from tests.gateway.serving import over


pytestmark = [
    pytest.mark.needs_command("node", package="nodejs"),
    pytest.mark.needs_command("npm", package="npm"),
]


def works(ask: Ask) -> Sequence[Step]:
    """Looks something up, has a file written, and says so."""
    if "more" in ask.said:
        return [Step("That is all.")]
    command = {"cmd": "echo 42 > answer.txt && cat answer.txt"}
    return [
        Step(reason="First I look.", tools=(ToolUse("lookup"),)),
        Step(reason="Then I write.", text="I write.", tools=(ToolUse("exec_command", command),)),
        Step(text="The file has 42."),
    ]


async def test_it_works(tmp_path: Path) -> None:
    """
    The agent's thoughts and words are shown, Codex runs the command that is its own, and not
    the tool that Letta runs.
    """
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Coder", script=works, tools=[ServerTool("lookup", lambda: "found")])
        async with over(letta.url, tmp_path, pipeline=None) as gateway:
            codex = Codex.of(tmp_path, gateway.url, "Coder")
            told = await codex.does("Write the answer into a file.")
        assert not [run for run in letta.runs.values() if not run.over]
    assert (codex.folder / "answer.txt").read_text() == "42\n"
    assert [item["text"] for item in items(told, "reasoning")] == ["First I look.", "Then I write."]
    assert [i["text"] for i in items(told, "agent_message")] == ["I write.", "The file has 42."]
    (run,) = items(told, "command_execution")
    assert (run["exit_code"], run["aggregated_output"]) == (0, "42\n")
    assert told[-1]["type"] == "turn.completed"
    assert told[-1]["usage"]["output_tokens"] > 0


async def test_a_session_goes_on_in_one_conversation(tmp_path: Path) -> None:
    """Where the operator lists the header that names it, the agent is told what is new."""
    named = {"chat_headers": ["thread-id"]}
    pipeline = [
        "agent_resolver",
        {"use": "conversation_resolver", "config": named},
        "tool_bridge",
        "reasoning_mapper",
    ]
    steps = [each if isinstance(each, dict) else {"use": each} for each in pipeline]
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Coder", script=works, tools=[ServerTool("lookup", lambda: "found")])
        async with over(letta.url, tmp_path, pipeline=steps) as gateway:
            codex = Codex.of(tmp_path, gateway.url, "Coder")
            await codex.does("Write the answer into a file.")
            told = await codex.does("Tell me more.", goes_on=True)
        assert len(letta.conversations) == 1
        sent = [r.body for r in letta.requests if r.method == "POST" and "/messages" in r.path]
    assert [item["text"] for item in items(told, "agent_message")] == ["That is all."]
    assert "Write the answer" not in json.dumps(sent[-1])
    assert "Tell me more." in json.dumps(sent[-1])
