"""Keys and tokens never reach the client, wherever the stream is cut."""

from __future__ import annotations

import pytest

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolCallStart,
    Usage,
)
from gateway.testing import kit
from letta_redactor.plugin import Config, Redactor, RedactorTurn


KEY = "sk-" + "a1B2" * 8
TOKEN = "ghp_" + "x" * 16
ENDING: list[Event] = [Usage(1, 1), Finish()]


def redactor() -> Redactor:
    return Redactor(Config())


def begun() -> tuple[RedactorTurn, kit.ManualClock]:
    clock = kit.ManualClock()
    turn = redactor().begin(kit.context(clock))
    assert isinstance(turn, RedactorTurn)
    return turn, clock


async def shown(*events: Event) -> list[Event]:
    out = await kit.run(redactor(), [*events, *ENDING])
    kit.assert_grammar(out)
    return kit.merged(out)[: -len(ENDING)]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"It is {KEY}.", "It is [redacted]."),
        (KEY, "[redacted]"),
        (f"{KEY} and {TOKEN}\n", "[redacted] and [redacted]\n"),
        (f"key={KEY}&b", "key=[redacted]&b"),
        ("A task-force of sk-ilful people", "A task-force of sk-ilful people"),
        ("sk-short", "sk-short"),
        (f"risk-{'a' * 40}", f"risk-{'a' * 40}"),
        ("s", "s"),
    ],
)
async def test_secrets(said: str, left: str) -> None:
    """A secret is masked as a whole, and nothing else is."""
    assert await shown(TextDelta(said, "m")) == [TextDelta(left, "m")]


@pytest.mark.parametrize(
    "events",
    [
        [TextDelta(f"a {KEY} b {TOKEN}", "m1"), TextDelta(f"{KEY}sk", "m2"), Finish()],
        [ReasoningDelta(f"Hm, {TOKEN}.", "m"), TextDelta("gh", "m"), Ping(), Finish()],
        [TextDelta("AK", "m"), ToolCallStart("c", "f"), TextDelta("IAb", "m"), Finish()],
    ],
)
async def test_cuts_do_not_matter(events: list[Event]) -> None:
    """A secret is found wherever it is cut."""
    await kit.assert_split_invariant(redactor, events)


async def test_reasoning_is_apart() -> None:
    """What one message begins, another does not go on with."""
    head, tail = KEY[:10], KEY[10:]
    assert await shown(ReasoningDelta(head, "m"), TextDelta(tail, "m")) == [
        ReasoningDelta(head, "m"),
        TextDelta(tail, "m"),
    ]
    assert await shown(ReasoningDelta(KEY, "m")) == [ReasoningDelta("[redacted]", "m")]


async def test_the_provider_s_cipher_is_left_alone() -> None:
    """Hidden reasoning may have no text at all."""
    hidden = ReasoningDelta("", "m", hidden=True)
    assert await shown(TextDelta("s", "m"), hidden) == [TextDelta("s", "m"), hidden]


async def test_the_end_lets_go() -> None:
    """What never became a secret is said, after an error too."""
    error = Error(502, "server_error", "upstream_error", "It broke.")
    assert await kit.run(redactor(), [TextDelta("gh", "m"), error]) == [TextDelta("gh", "m"), error]


def test_first_letters_do_not_wait_for_long() -> None:
    """A word that may begin a secret is let go in time; its rest is masked if it was one."""
    turn, clock = begun()
    assert list(turn.feed(TextDelta("It is s", "m"))) == [TextDelta("It is ", "m")]
    due = turn.due()
    assert due == clock.now() + 0.15
    clock.advance(0.1)
    assert list(turn.feed(Ping())) == [Ping()]
    assert turn.due() == due
    assert list(turn.release()) == [TextDelta("s", "m")]
    assert turn.due() is None
    assert list(turn.feed(TextDelta(KEY[1:], "m"))) == [TextDelta("[redacted]", "m")]


def test_a_whole_prefix_waits_as_long_as_it_takes() -> None:
    """Half a secret is not let go because the model takes a break."""
    turn, _ = begun()
    assert list(turn.feed(TextDelta("sk-abc", "m"))) == []
    assert turn.due() is None
    assert list(turn.feed(TextDelta(" ", "m"))) == [TextDelta("sk-abc ", "m")]


@pytest.mark.parametrize("prefixes", [[], [""], ["a b"]])
def test_prefixes(prefixes: list[str]) -> None:
    """A prefix is made of what secrets are made of."""
    with pytest.raises(ValueError, match="prefixes"):
        Config(prefixes=prefixes)
