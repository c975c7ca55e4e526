"""The scripts that a message can ask for."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta.scenarios import SCENARIOS, by_rules
from gateway.testing.fakeletta.steps import Step, ToolUse, chunks


def test_echo() -> None:
    """Any other message is echoed."""
    assert by_rules("hello") == [Step("You said: hello")]


def test_argument() -> None:
    """A scenario takes an argument."""
    assert by_rules("please @@plain:2@@ now")[0].text == "word0 word1"
    assert by_rules("@@tool:look@@")[0].tools[0].name == "look"


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_make_steps(name: str) -> None:
    """Every scenario makes steps that can be cut into chunks."""
    steps = by_rules(f"@@{name}@@")
    assert steps
    assert all(isinstance(chunks(step), list) for step in steps)


def test_one_step_as_json() -> None:
    """A step can be written in the message itself."""
    (step,) = by_rules('!!{"text": ["a", "b"], "break": "drop", "after": 1}!!')
    assert (step.text, step.breaks, step.after) == (("a", "b"), "drop", 1)


def test_steps_as_json() -> None:
    """So can several steps, with their tools."""
    first, second = by_rules(
        '!!{"steps": [{"tools": [{"name": "look", "args": {"a": 1}, "id": "c"}]}, {"text": "x"}]}!!'
    )
    assert first.tools == (ToolUse("look", {"a": 1}, "c"),)
    assert second.said == "x"


def test_escaped_json() -> None:
    """The JSON may be escaped, as it is inside another JSON text."""
    assert by_rules('!!{\\"text\\": \\"x\\"}!!')[0].said == "x"
