"""What was shown of progress never reaches an agent again."""

from __future__ import annotations

import pytest

from gateway.plugin import Image, Message, Text, ToolCall
from plugins.calls.ids import is_ours, marked
from plugins.progress.history import LONGEST_LINE, History, is_shown, shown_id


HISTORY = History("⚙ ")


def assistant(text: str, *calls: str) -> Message:
    used = tuple(ToolCall(call, "look_up", "{}") for call in calls)
    return Message("assistant", (Text(text),), tool_calls=used)


def left(text: str) -> str:
    """What is left of a text of the assistant's."""
    (message,) = HISTORY.cleaned([assistant(text)])
    return message.text


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("⚙ Using look_up…", ""),
        ("⚙ Using look_up…\n\nIt is there.", "It is there."),
        ("Let me see.\n\n⚙ Using look_up…\n\nIt is there.", "Let me see.\n\nIt is there."),
        ("Let me see.\n\n⚙ Using look_up…\n\n⚙ look_up failed", "Let me see."),
        ("a\n\n⚙ Using x…\n\n⚙ Using y…\n\nb\n\n⚙ Using z…\n\nc", "a\n\nb\n\nc"),
    ],
)
def test_lines_go(shown: str, said: str) -> None:
    """A line of progress is taken out with the blank lines behind it."""
    assert left(shown) == said


@pytest.mark.parametrize(
    "text", ["", "Hello\n", "Click on ⚙ Settings.", "⚙\ufe0f Settings\n\n", "⚙", "a\n\n\n\nb\n\n"]
)
def test_what_the_agent_said_stays(text: str) -> None:
    """A text without such a line is the same, to its last newline."""
    assert left(text) == text


@pytest.mark.parametrize("text", ["Using x…", "a\nb\r\nc", "⚙ ⚙ ", "x" * 999, "\u2028\u2029\x85"])
def test_a_line_is_found_again(text: str) -> None:
    """Whatever a line of progress says, it is one line, and it goes."""
    line = HISTORY.line(text)
    assert len(line) <= LONGEST_LINE + 2
    assert "\n" not in line
    assert left(f"a\n\n{line}\n\nb") == "a\n\nb"


def test_other_roles_keep_theirs() -> None:
    """Users may say what they like."""
    said = [Message("user", (Text("⚙ Using x…"),)), Message("system", (Text("⚙ Using x…"),))]
    assert HISTORY.cleaned(said) == tuple(said)


def test_shown_tools_go() -> None:
    """Calls and results that were only shown go; the client's own stay."""
    shown, own = shown_id("c1"), marked("c2")
    asked = Message("user", (Text("Hi"),))
    results = [Message("tool", (Text("x"),), tool_call_id=each) for each in (shown, own)]
    history = [asked, assistant("a", shown, own), *results]
    assert HISTORY.cleaned(history) == (asked, assistant("a", own), results[1])


def test_an_empty_message_stays() -> None:
    """It is where the assistant has spoken."""
    assert HISTORY.cleaned([assistant("", shown_id("c1"))]) == (assistant(""),)


def test_images_stay() -> None:
    """Only texts are looked at."""
    image = Image("image/png", "aGk=")
    message = Message("assistant", (Text("⚙ Using x…"), image))
    assert HISTORY.cleaned([message])[0].parts == (Text(""), image)


def test_ids() -> None:
    """Each time another one, and none that could be taken for a call of the client's."""
    ids = {shown_id("call_1") for _ in range(50)}
    assert len(ids) == 50
    assert all(is_shown(each) and not is_ours(each) for each in ids)
    assert not is_shown(marked("call_1"))
    assert not is_shown("call_1")
    assert not is_shown(None)
