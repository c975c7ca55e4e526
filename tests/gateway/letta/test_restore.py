from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.letta.restore import Restorer, Said, remainder


USAGE, FINISH = Usage(1, 1), Finish()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@attrs.define
class Told:
    """What Letta has stored of a run; counts how often it is asked."""

    texts: Mapping[str, str]
    arguments: Mapping[str, str] = attrs.field(factory=dict)
    times: int = 0

    async def __call__(self) -> Said:
        self.times += 1
        return Said(self.texts, self.arguments)


async def completed(told: Told, *batches: Sequence[Event]) -> list[Event]:
    restorer = Restorer(told)
    return [event for batch in batches for event in await restorer.complete(batch)]


def inside(text: str, *, ascii_only: bool = False) -> str:
    """The text as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


async def test_whole_text_is_left_alone() -> None:
    """What was streamed whole gets nothing added."""
    events = [TextDelta("Hel", "m1"), TextDelta("lo", "m1"), USAGE, FINISH]
    assert await completed(Told({"m1": "Hello"}), events) == events


async def test_lost_end_is_added() -> None:
    """Text that was cut early is completed before the usage."""
    out = await completed(Told({"m1": "Hello you"}), [TextDelta("Hello", "m1")], [USAGE, FINISH])
    assert out == [TextDelta("Hello", "m1"), TextDelta(" you", "m1"), USAGE, FINISH]


async def test_text_that_was_never_streamed() -> None:
    """A message of which nothing was streamed comes whole, before the ending."""
    out = await completed(Told({"m1": "Hello"}), [Ping(), FINISH])
    assert out == [Ping(), TextDelta("Hello", "m1"), FINISH]


async def test_restored_text_is_escaped() -> None:
    """What is added is escaped like the rest, so that one reader reads both."""
    out = await completed(Told({"m1": 'a\n"b"\\'}), [TextDelta("a", "m1"), FINISH])
    assert out == [TextDelta("a", "m1"), TextDelta('\\n\\"b\\"\\\\', "m1"), FINISH]


async def test_step_is_completed_before_the_next() -> None:
    """What a step lost goes out before the first event of the next step."""
    told = Told({"m1": "one", "m2": "two"})
    first: list[Event] = [ReasoningDelta("hm", "m1"), TextDelta("o", "m1")]
    second: list[Event] = [ReasoningDelta("so", "m2"), TextDelta("two", "m2"), FINISH]
    out = await completed(told, first, second)
    assert out == [*first, TextDelta("ne", "m1"), *second]


async def test_all_steps_of_one_batch() -> None:
    """Steps that come in one read are told apart as well."""
    told = Told({"m1": "one", "m2": "two"})
    out = await completed(told, [TextDelta("o", "m1"), TextDelta("t", "m2"), FINISH])
    assert [event.text for event in out[:-1] if isinstance(event, TextDelta)] == [
        "o",
        "ne",
        "t",
        "wo",
    ]


async def test_each_message_is_restored_once() -> None:
    """A message that was completed is not completed again."""
    told = Told({"m1": "one"})
    out = await completed(
        told, [ReasoningDelta("a", "m0"), ReasoningDelta("b", "m2")], [USAGE], [FINISH]
    )
    assert [event for event in out if isinstance(event, TextDelta)] == [TextDelta("one", "m1")]


async def test_asks_once_at_the_end() -> None:
    """Usage and the ending cost one question together, and tokens of one step none."""
    told = Told({"m1": "abc"})
    await completed(told, [TextDelta(c, "m1") for c in "abc"], [USAGE, FINISH])
    assert told.times == 1


async def batches(told: Told, *batches: Sequence[Event]) -> list[list[Event]]:
    restorer = Restorer(told)
    return [await restorer.complete(batch) for batch in batches]


async def test_an_escape_that_is_cut_waits() -> None:
    """The delta in which it begins goes out with its rest, and pings do not push it out."""
    first, ping, rest = TextDelta("a\\", "m1"), Ping(), TextDelta("nb", "m1")
    out = await batches(Told({}), [TextDelta("x", "m1"), first], [ping], [rest], [FINISH])
    assert out == [[TextDelta("x", "m1")], [], [first, ping, rest], [FINISH]]


async def test_an_escape_in_many_pieces() -> None:
    """It waits for the last of them, a surrogate pair too."""
    pieces = [TextDelta(piece, "m1") for piece in ("\\", "ud8", "3d\\", "udc4", "d!")]
    out = await batches(Told({}), *([piece] for piece in pieces))
    assert out == [[], [], [], [], pieces]


async def test_an_escape_that_was_lost() -> None:
    """It goes out in one batch with what the stored message adds to it."""
    cut = TextDelta("a\\", "m1")
    out = await batches(Told({"m1": "a\nb"}), [cut], [FINISH])
    assert out == [[], [cut, TextDelta("nb", "m1"), FINISH]]


@pytest.mark.parametrize("end", [ReasoningDelta("hm", "m2"), Error(502, "a", "b", "c")])
async def test_an_escape_that_is_never_finished(end: Event) -> None:
    """What comes instead lets it go as it is."""
    cut = TextDelta("a\\", "m1")
    assert await batches(Told({}), [cut], [end]) == [[], [cut, end]]


async def test_backslashes_that_are_no_escapes() -> None:
    """Where the stream is not escaped nothing waits."""
    restorer, cut = Restorer(Told({}), escaped=False), TextDelta("a\\", "m1")
    assert await restorer.complete([cut]) == [cut]


async def test_other_events_pass() -> None:
    """Tools, pings and errors pass as they are, and ask nothing."""
    told = Told({})
    events: list[Event] = [
        Ping(),
        ToolCallStart("c", "f"),
        ToolResult("c", "x"),
        Error(502, "server_error", "upstream_error", "It failed."),
    ]
    assert await completed(told, events) == events
    assert told.times == 0


@pytest.mark.parametrize(
    ("streamed", "text", "rest"),
    [
        ("", "Hello", "Hello"),
        ("Hello", "Hello", ""),
        ("He said \\", 'He said "hi"', '"hi\\"'),
        ("line\\", "line\nnext", "nnext"),
        ("\\u65", "日本", "e5本"),
        ("\\u65E", "日本", "5本"),
        ("\\ud83d\\", "👍!", "udc4d!"),
        ("\\ud83d\\udc4d", "👍!", "!"),
        ("\\", "/path", "u002fpath"),
        ("a\\/b", "a/bc", "c"),
        ("tab\there", "tab\there!", "!"),
        ("He said:hel", "He said: hello", "lo"),
        ('hello\\"you\\', 'hello "you"', '"'),
        ("hello\\", 'hello "you"', 'u0020\\"you\\"'),
        ("a\\n\\nb", "a\n \nb c", " c"),
        ("  ab", "   abc", "c"),
    ],
)
def test_remainder(streamed: str, text: str, rest: str) -> None:
    """What follows makes up the text, also where an escape was cut."""
    assert remainder(streamed, text) == rest


@pytest.mark.parametrize(
    ("streamed", "text"),
    [
        ("Bye", "Hello"),
        ("Hello you", "Hello"),
        ('say "x', 'say "xy'),
        ("\\q and more", "q and more, too"),
        ("\\uZZZZ and more", "anything"),
        ("Hello\\", "Hello"),
        ("Hello\\n", "Hello\\not"),
    ],
)
def test_remainder_of_other_texts(streamed: str, text: str) -> None:
    """Two that tell different things, or that cannot be read, have nothing in common."""
    assert remainder(streamed, text) == ""


@given(TEXTS, st.lists(st.integers(0, 60)), st.integers(0, 60))
def test_remainder_after_lost_spaces(text: str, lost: list[int], place: int) -> None:
    """Spaces that were lost on the way do not keep the end from being added."""
    said = "".join(
        character
        for i, character in enumerate(text[:place])
        if not (character.isspace() and i in lost)
    )
    whole = json.loads(f'"{inside(said)}{remainder(inside(said), text)}"')
    assert "".join(whole.split()) == "".join(text.split())


@given(TEXTS, st.integers(0, 400), st.booleans())
def test_remainder_of_every_cut(text: str, place: int, ascii_only: bool) -> None:
    """Wherever the inside of the string is cut, the two parts together say the text."""
    whole = inside(text, ascii_only=ascii_only)
    streamed = whole[:place]
    assert json.loads(f'"{streamed}{remainder(streamed, text)}"') == text


CALLED = ToolCallStart("c", "look", client_side=True)
PIECES = [ToolArgsDelta("c", '{"a": {"b"'), ToolArgsDelta("c", "}}")]


@pytest.mark.parametrize("escaped", [True, False])
async def test_arguments_of_a_clients_tool(escaped: bool) -> None:
    """Streamed they are not to be trusted; the stored ones go out at the end, in one piece."""
    restorer = Restorer(Told({}, {"c": '{"a": {"b": 1}}'}), escaped)
    assert await restorer.complete([CALLED, *PIECES]) == [CALLED]
    whole = ToolArgsDelta("c", '{"a": {"b": 1}}')
    assert await restorer.complete([USAGE, FINISH]) == [whole, USAGE, FINISH]


async def test_arguments_that_were_not_stored() -> None:
    """What was streamed of them is better than nothing."""
    out = await completed(Told({}), [CALLED, *PIECES], [FINISH])
    assert out == [CALLED, ToolArgsDelta("c", '{"a": {"b"}}'), FINISH]


async def test_a_call_without_arguments() -> None:
    """There is nothing to add."""
    assert await completed(Told({}), [CALLED, FINISH]) == [CALLED, FINISH]


async def test_arguments_of_lettas_tools() -> None:
    """They go on as they come: Letta has run the tool with the right ones."""
    events = [ToolCallStart("c", "look"), *PIECES, FINISH]
    assert await completed(Told({}, {"c": "{}"}), events) == events
