"""Milo remembers."""

from __future__ import annotations

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


def test_words() -> None:
    """Words are cut between them, and nothing is lost."""
    step = words("One  two\nthree ")
    assert step.said == "One  two\nthree "
    assert len(step.text) == 3
