"""The plugin that puts line breaks back, as a part of a stream."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.plugin import Agent, Call, Turn
from gateway.testing import recordings
from gateway.testing.kit import ManualClock, assert_split_invariant, context, fed, merged, run
from plugins.newline_reconstructor import Config, NewlineReconstructor


OLDER = Call("Milo", (), agent=Agent("agent-1", "Milo", "memgpt_v2_agent"))
TABLE = "| a | b |\\n|---|---|\\n| 1 | 2 |"


def plugin(**settings: Any) -> NewlineReconstructor:
    """The plugin with these settings."""
    return NewlineReconstructor(Config(**settings))


def text(events: Iterable[Event], kind: type[Event] = TextDelta) -> str:
    """The text of these events."""
    return "".join(event.text for event in events if isinstance(event, kind))


def said(*pieces: str, message: str = "m1") -> list[Event]:
    """Deltas of one message."""
    return [TextDelta(piece, message) for piece in pieces]


async def test_a_cut_table() -> None:
    """A table whose line breaks came escaped, and cut in two, is a table again."""
    out = await run(plugin(), said("| a | b |\\", "n|---|---|\\", "n| 1 | 2 |", "\\nDone"))
    assert text(out) == "| a | b |\n|---|---|\n| 1 | 2 |\nDone"


async def test_plain_deltas_are_the_same_objects() -> None:
    """A delta without a backslash, with nothing held, passes as the same object."""
    for call in (None, OLDER):
        events = [*said("One ", "two `code` ", "three.\n", "# Four"), Finish()]
        out = await run(plugin(), events, call)
        assert all(a is b for a, b in zip(out, events, strict=True))


async def test_never() -> None:
    """With `repair: never` everything passes, from agents of older types too."""
    events = [*said(TABLE, "\\", "n"), Finish()]
    assert await run(plugin(repair="never"), events, OLDER) == events


async def test_always() -> None:
    """With `repair: always` no proof is needed; code is left alone even then."""
    out = await run(plugin(repair="always"), said("one\\ntwo `\\n` \\", "n"))
    assert text(out) == "one\ntwo `\\n` \n"


@pytest.mark.parametrize("repair", ["auto", "always"])
async def test_exact(repair: str) -> None:
    """The token stream of an older agent is unescaped exactly, code included."""
    whole = 'Try:\n```py\nprint("a\\n")\n```\n日本 🎉 C:\\new'
    inside = json.dumps(whole)[1:-1]
    out = await run(plugin(repair=repair), said(*inside), OLDER)
    assert text(out) == whole


async def test_exact_reasoning() -> None:
    """Their reasoning comes in the same way, and is unescaped too."""
    events = [ReasoningDelta("a\\", "m1"), ReasoningDelta("nb\\", "m1"), TextDelta("nc\\n", "m1")]
    out = await run(plugin(), events, OLDER)
    assert text(out, ReasoningDelta) == "a\nb\\"
    assert text(out) == "nc\n"


async def test_other_reasoning_passes() -> None:
    """Reasoning of other agents, and hidden reasoning, is not touched."""
    events = [ReasoningDelta(TABLE, "m1"), ReasoningDelta("\\n", "m1", hidden=True)]
    assert await run(plugin(), events) == events
    assert (await run(plugin(), events[1:], OLDER)) == events[1:]


def test_what_is_known_to_be_escaped() -> None:
    """Only older types, by tokens, and not from a model whose stream Letta reads itself."""
    agent = Agent("agent-1", "Milo", "memgpt_agent", model="openai/gpt-4o")
    assert Call("Milo", (), agent=agent).escaped
    assert not Call("Milo", (), agent=agent, streaming="steps").escaped
    assert not Call("Milo", (), agent=attrs.evolve(agent, type="letta_v1_agent")).escaped
    assert not Call("Milo", (), agent=attrs.evolve(agent, model="anthropic/claude")).escaped
    assert not Call("Milo", ()).escaped


async def test_messages_are_separate() -> None:
    """What is held of a message goes out before the next begins, and proves nothing there."""
    events = [*said("a:\\n- b\\"), *said("n- c\\", message="m2"), *said("nd", message="m1")]
    out = await run(plugin(), events)
    assert merged(out) == [
        TextDelta("a:\n- b\\", "m1"),
        TextDelta("n- c\\", "m2"),
        TextDelta("nd", "m1"),
    ]


@pytest.mark.parametrize(
    "event",
    [
        ReasoningDelta("hm", "m1"),
        ToolCallStart("c1", "search"),
        ToolArgsDelta("c1", "{}"),
        ToolResult("c1", "ok"),
        Status("Thinking…"),
        Usage(1, 1),
        Finish(),
        Error(502, "server_error", "upstream_error", "gone"),
    ],
)
def test_what_is_held_goes_first(event: Event) -> None:
    """Whatever follows, what was held goes out before it."""
    turn = plugin().begin(context())
    assert list(turn.feed(TextDelta("a\\", "m1"))) == [TextDelta("a", "m1")]
    assert list(turn.feed(event)) == [TextDelta("\\", "m1"), event]
    assert turn.due() is None


def test_a_ping_releases_nothing() -> None:
    """A ping passes by what is held."""
    turn = plugin().begin(context())
    list(turn.feed(TextDelta("a:\\", "m1")))
    assert list(turn.feed(Ping())) == [Ping()]
    assert text(fed(turn, said("n- b"))) == "\n- b"


def test_flush() -> None:
    """At the end what is held goes out."""
    turn = plugin().begin(context())
    list(turn.feed(TextDelta("a\\", "m1")))
    assert list(turn.flush()) == [TextDelta("\\", "m1")]
    assert list(turn.flush()) == []


def test_time() -> None:
    """What is held is due after 100 ms, goes out as it is, and the text goes on behind it."""
    clock = ManualClock()
    turn = plugin().begin(context(clock))
    assert turn.due() is None
    list(turn.feed(TextDelta("|a|\\", "m1")))
    assert turn.due() == pytest.approx(clock.now() + 0.1)
    clock.advance(0.05)
    list(turn.feed(TextDelta("n", "m1")))
    assert turn.due() == pytest.approx(clock.now() + 0.05)
    clock.advance(0.05)
    assert list(turn.release()) == [TextDelta("\\n", "m1")]
    assert turn.due() is None
    assert list(turn.release()) == []
    assert text(fed(turn, said("|b|\\n|c|"))) == "|b|\n|c|"


def test_time_begins_anew() -> None:
    """A second piece that is held has its own time."""
    clock = ManualClock()
    turn = plugin(hold_ms=40).begin(context(clock))
    list(turn.feed(TextDelta("a:\\", "m1")))
    clock.advance(0.03)
    list(turn.feed(TextDelta("n- b\\", "m1")))
    assert turn.due() == pytest.approx(clock.now() + 0.04)


def test_counts() -> None:
    """It counts what was held, what was repaired and what time let go."""
    subject = plugin()
    turn = subject.begin(context())
    list(turn.feed(TextDelta("a:\\", "m1")))
    list(turn.feed(TextDelta("n", "m1")))
    list(turn.feed(TextDelta("- b\\n- c\\", "m1")))
    list(turn.release())
    assert attrs.asdict(subject.counts) == {"held": 2, "repaired": 2, "let_go": 1}


@pytest.mark.parametrize("settings", [{"hold_ms": -1}, {"hold_ms": 5000}])
def test_settings(settings: dict[str, Any]) -> None:
    """A time to hold that makes no sense is refused."""
    with pytest.raises(ValueError, match="hold_ms"):
        plugin(**settings)


def test_streams_do_not_share() -> None:
    """Two requests at once know nothing of each other."""
    subject = plugin()
    one, two = subject.begin(context()), subject.begin(context())
    list(one.feed(TextDelta("a:\\n- b\\", "m1")))
    assert text(two.feed(TextDelta("n or \\n here", "m1"))) == "n or \\n here"
    assert text(one.feed(TextDelta("n- c", "m1"))) == "\n- c"


@pytest.mark.parametrize("call", [None, OLDER])
@pytest.mark.parametrize(
    "piece",
    ["\\", "`" * 999 + " ", "\\ud83d", "🎉" * 999 + "\\n", "\\n" * 999, '"' * 999, "a.\\nB\\"],
)
async def test_state_is_small(call: Call | None, piece: str) -> None:
    """Whatever comes, a stream keeps less than 1 KiB."""
    turn = plugin().begin(context())
    await turn.prepare(call or Call("Milo", ()))
    for _ in range(9):
        list(turn.feed(TextDelta(piece, "message-5c35be14-3f0a-4bd9-8c7e-3d8a0ab3e6d2")))
    assert size(turn) < 1024


def size(thing: object) -> int:
    """The bytes of what belongs to a turn alone: there is one True for all."""
    own = 0
    for field in attrs.fields(type(thing)):
        value = getattr(thing, field.name)
        if attrs.has(type(value)) and not isinstance(value, NewlineReconstructor | ManualClock):
            own += size(value)
        elif isinstance(value, str | bytes | int | float) and not isinstance(value, bool):
            own += sys.getsizeof(value)
    return own + sys.getsizeof(thing)


def texts_of(name: str) -> list[Event]:
    """The texts and the reasoning of a recorded stream."""
    events: list[Event] = []
    for frame in recordings.read(name).frames:
        data = frame.json if frame.data != "[DONE]" else {}
        if data.get("message_type") == "assistant_message":
            events.append(TextDelta(data["content"], data["id"]))
        elif data.get("message_type") == "reasoning_message":
            events.append(ReasoningDelta(data["reasoning"], data["id"]))
    return [
        event for event in events if isinstance(event, TextDelta | ReasoningDelta) and event.text
    ]


RECORDED = [
    name for name in recordings.names() if recordings.read(name).streamed and texts_of(name)
]


def recorded_call(name: str) -> Call | None:
    """The call of a recording: its agent's type is in its name."""
    older = "memgpt" in name and name.endswith("-tok")
    return OLDER if older else None


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_streams(name: str) -> None:
    """Every recorded stream comes out the same, however it is cut."""
    events = merged(texts_of(name))
    short = [attrs.evolve(event, text=event.text[:3000]) for event in events]
    await assert_split_invariant(plugin, short, recorded_call(name))


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_texts_are_not_harmed(name: str) -> None:
    """What Letta streamed whole passes unchanged, whatever it is."""
    if recorded_call(name) is None:
        events = texts_of(name)
        assert merged(await run(plugin(), events)) == merged(events)


async def test_a_recorded_table() -> None:
    """The markdown that an older agent streamed by tokens reads as its model wrote it."""
    name = "memgptv2-md-frag8-tok"
    asked = recordings.read(name).body["messages"][0]["content"]
    wrote = json.loads(asked.strip("!"))["text"]
    assert text(await run(plugin(), texts_of(name), OLDER)) == wrote


def test_never_makes_no_turn_of_its_own() -> None:
    """With `repair: never` nothing stands in the way."""
    assert type(plugin(repair="never").begin(context())) is Turn
