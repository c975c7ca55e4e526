"""The rules of `newline_reconstructor`, on real texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from plugins.newlines.mend import Mender
from plugins.newlines.unescape import Unescape
from tests.corpus.newlines import Text, texts
from tests.corpus.newlines.measure import shown, table, tallies


ALL = list(texts())
TUNED = [text for text in ALL if not text.held_out]
EVERY_CUT = 200
DRAWN_CUTS = 4
OURS = "this project"


def cuts(text: str) -> Iterator[list[str]]:
    """Each character alone; every cut in two of a short text; drawn pieces of a long one."""
    yield list(text)
    if len(text) < EVERY_CUT:
        yield from ([text[:place], text[place:]] for place in range(1, len(text)))
        return
    draw = random.Random(text)
    for _ in range(DRAWN_CUTS):
        places = sorted(draw.sample(range(1, len(text)), draw.randint(1, 60)))
        bounds = zip([0, *places], [*places, len(text)], strict=True)
        yield [text[a:b] for a, b in bounds]


def read(reader: Mender | Unescape, pieces: list[str]) -> str:
    """What comes out of the pieces, one after the other."""
    return "".join([*(reader.feed(piece) for piece in pieces), reader.end()])


@pytest.mark.parametrize(
    "make", [Mender, lambda: Mender("sure"), Unescape], ids=["auto", "always", "exact"]
)
def test_any_cut(make: Callable[[], Mender | Unescape]) -> None:
    """Every text comes out the same, however it is cut."""
    for text in ALL:
        whole = read(make(), [text.text])
        for pieces in cuts(text.text):
            assert read(make(), pieces) == whole, pieces


def test_no_false_repair() -> None:
    """Nothing is changed in a text that is not escaped."""
    assert [text.text for text in TUNED if not text.escaped and shown(text.text) != text.text] == []


def test_few_are_missed() -> None:
    """Of the escaped texts nine in ten come out whole, and of line breaks more."""
    escaped = [text for text in TUNED if text.escaped]
    counted = tallies(escaped).values()
    assert sum(tally.wrong for tally in counted) < len(escaped) / 10
    assert sum(tally.breaks_missed for tally in counted) < sum(t.breaks for t in counted) / 20


def test_code_stays() -> None:
    """Without asking for proof all but code is repaired, as CommonMark says what code is."""
    wrong = [text for text in TUNED if text.escaped and not _is_right_when_sure(text)]
    assert len(wrong) < len(TUNED) / 100


def _is_right_when_sure(text: Text) -> bool:
    return read(Mender("sure"), [text.text]) == text.expected


def test_the_corpus() -> None:
    """It has 400 texts and more, half of them from others, a tenth of them held out."""
    assert len(ALL) >= 400
    assert sum(text.source != OURS for text in ALL) > len(ALL) / 2
    assert len(ALL) / 12 < len(ALL) - len(TUNED) < len(ALL) / 8
    assert len({text.text for text in ALL}) == len(ALL)


def test_the_table() -> None:
    """The counts are printed as the documentation shows them."""
    text = Text("chat", OURS, "Yes:\\n- a", "Yes:\n- a")
    assert table(tallies([text])).endswith("| chat | 1 | 0 | 0 | 0 of 1 |")
