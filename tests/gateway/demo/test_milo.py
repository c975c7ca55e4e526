"""Milo remembers."""

from __future__ import annotations

import json

import pytest

from gateway.demo.milo import answer, words
from gateway.testing.fakeletta import Ask
from gateway.testing.fakeletta.model import Prompt


def milo(*said: str) -> str:
    """What Milo answers to the last of these messages."""
    return answer(Ask(tuple(Prompt("user", each) for each in said)), "| a table |")[0].said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("My name is Ada.", "What is my name?"), "Your name is Ada."),
        (("Call me Bob!", "what's my name"), "Your name is Bob."),
        (("My cat is called Tom.", "My cat is Kim", "Do you remember my cat?"), "Your cat is Kim."),
        (("What is my dog?",), "You have not told me your dog yet."),
        (
            ("My favourite colour is blue.",),
            "Nice! Your favourite colour is blue: I will remember that.",
        ),
        (
            ("My name is Ada", "Hello"),
            "Hello, Ada! I am Milo, a make-believe agent. Tell me something about you.",
        ),
    ],
)
def test_remembers(said: tuple[str, ...], expected: str) -> None:
    """What was told in the conversation is known, the last word counting."""
    assert milo(*said) == expected


def test_helps() -> None:
    """Asked for help, it tells what there is to try."""
    assert milo("What can you do?").endswith("| a table |")


def test_echoes_the_rest() -> None:
    """Anything else it says back."""
    assert "“The sky is blue”" in milo("The sky is blue")


def test_json() -> None:
    """Asked for JSON, it stays itself in JSON; afterwards it talks as before."""
    said = [Prompt("user", "Hi"), Prompt("system", "Answer with JSON alone.")]
    (step,) = answer(Ask(tuple(said)), "")
    assert json.loads(step.said)["says"].startswith("Hello! I am Milo")

    (step,) = answer(Ask((*said, Prompt("assistant", "{}"), Prompt("user", "Hi"))), "")
    assert step.said.startswith("Hello! I am Milo")


def test_a_tool_that_it_has_to_call() -> None:
    """It calls the client's, and then talks."""
    insisting = Prompt("system", "Answer by calling the tool dice now, and nothing else.")
    called, said = answer(Ask((Prompt("user", "Hi"), insisting), ("dice",)), "")
    assert [use.name for use in called.tools] == ["dice"]
    assert said.said.startswith("Hello!")


def test_words() -> None:
    """Words are cut between them, and nothing is lost."""
    step = words("One  two\nthree ")
    assert step.said == "One  two\nthree "
    assert len(step.text) == 3
