from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.call import Image, Message, Text, ToolCall
from plugins.conversations import transcript
from tests.plugins.client import assistant, system, user


TALK = [system("s"), user("u1"), assistant("a1"), system("t"), user("u2"), assistant("a2")]


def test_user_turns() -> None:
    """A turn is what a user says, whatever else stands between."""
    assert transcript.user_turns(TALK) == 2
    assert transcript.user_turns([system("s"), assistant("a")]) == 0


@pytest.mark.parametrize(
    ("turn", "texts"),
    [(1, ["u1", "a1", "u2", "a2"]), (2, ["u2", "a2"]), (3, [])],
)
def test_since(turn: int, texts: list[str]) -> None:
    """From a user's turn on, all that was said is taken but the system messages."""
    assert [message.text for message in transcript.since(TALK, turn)] == texts


def test_last_user() -> None:
    """The user's last message, though something follows it."""
    assert transcript.last_user(TALK) == [user("u2")]
    assert transcript.last_user([assistant("a")]) == []


def test_digest() -> None:
    """Equal system messages have equal digests, others not, and none at all has none."""
    assert transcript.digest([]) == ""
    assert transcript.digest([system("ab")]) == transcript.digest([system("ab")])
    digests = {
        transcript.digest(messages)
        for messages in ([system("ab")], [system("a"), system("b")], [system("\ud800")], [])
    }
    assert len(digests) == 4


def test_tool_messages_become_text() -> None:
    """A call and its result of an earlier round are kept as text that names them."""
    calls = (ToolCall("c1", "weather", '{"city":"Oslo"}'), ToolCall("c2", "time", "{}"))
    asked = Message("assistant", (Text("Let me see."),), tool_calls=calls)
    result = Message("tool", (Text("21 C"),), tool_call_id="c1")
    sent = transcript.sendable([user("u"), asked, result])
    assert [message.role for message in sent] == ["user", "assistant", "user"]
    assert sent[1].text.startswith("Let me see.")
    for named in ("weather", "c1", '{"city":"Oslo"}', "time", "c2"):
        assert named in sent[1].text
    assert "c1" in sent[2].text
    assert sent[2].text.endswith("21 C")
    assert not any(message.tool_calls or message.tool_call_id for message in sent)


def test_empty_messages_are_left_out() -> None:
    """Letta refuses messages without content; images alone are content."""
    image = Message("user", (Text(""), Image("image/png", "AAAA")))
    call = Message("assistant", (), tool_calls=(ToolCall("c", "f", "{}"),))
    sent = transcript.sendable([user(""), assistant(""), image, Message("assistant", ()), call])
    assert sent[0] == Message("user", (Image("image/png", "AAAA"),))
    assert [message.role for message in sent] == ["user", "assistant"]


def test_marked() -> None:
    """The id goes with the user's last message: Letta gives assistants' ids of its own."""
    marked = transcript.marked([user("u1"), user("u2"), assistant("a")], "otid")
    assert [message.otid for message in marked] == [None, "otid", None]
    assert [message.text for message in marked] == ["u1", "u2", "a"]


OURS, THEIRS = "call_1-lg0123456789ab", "call_1"


def result(call_id: str | None, text: str = "21") -> Message:
    return Message("tool", (Text(text),), tool_call_id=call_id, name=None if call_id else "weather")


@pytest.mark.parametrize(
    ("messages", "results", "answered", "only"),
    [
        ([user("u")], [], [], []),
        ([assistant("a"), result(OURS)], [OURS], [OURS], [OURS]),
        ([assistant("a"), result(THEIRS)], [], [], [THEIRS]),
        ([assistant("a"), result(None)], [None], [], [None]),
        ([assistant("a"), result(OURS), result(THEIRS)], [OURS], [OURS], [OURS, THEIRS]),
        ([assistant("a"), result(OURS), user("u")], [OURS], [OURS], []),
        ([result(OURS), assistant("a"), user("u")], [], [], []),
        ([result(OURS)], [OURS], [OURS], [OURS]),
        ([], [], [], []),
    ],
)
def test_results(
    messages: list[Message],
    results: list[str | None],
    answered: list[str | None],
    only: list[str | None],
) -> None:
    """Results count since the assistant last spoke; whose they are is told by their ids."""

    def ids(found: Sequence[Message]) -> list[str | None]:
        return [message.tool_call_id for message in found]

    assert ids(transcript.results(messages)) == results
    assert ids(transcript.answered(messages)) == answered
    assert ids(transcript.only_results(messages)) == only


def test_beside_results() -> None:
    """What the user says with them, but nothing that was said before."""
    messages = [user("u1"), assistant("a"), result(OURS), user("u2"), user("u3")]
    assert transcript.beside_results(messages) == [user("u2"), user("u3")]


def test_calls_without_ids_become_text() -> None:
    """OpenAI's older form names the function only; images of a result stay images."""
    called = Message("assistant", (), tool_calls=(ToolCall("", "weather", "{}"),))
    image = Image("image/png", "AAAA")
    answer = Message("tool", (Text("21"), image), name="weather")
    first, second = transcript.sendable([called, answer])
    assert first.text == "\n[Called the tool weather: {}]"
    assert second.text == "[Result of the tool weather]\n21"
    assert image in second.parts
