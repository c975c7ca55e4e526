"""Count false and missed repairs on the corpus.

    python -m tests.corpus.newlines.measure             the texts that rules may be tuned on
    python -m tests.corpus.newlines.measure --held-out  the others; look at them once

`--show` prints each text that is not as expected, from where it differs.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile

import attrs

from gateway.events import TextDelta
from gateway.testing.kit import context, fed
from plugins.newline_reconstructor import Config, NewlineReconstructor
from tests.corpus.newlines import Text, texts


# About what a model sends at a time.
PIECE = 4


@attrs.define
class Tally:
    """How the texts of one kind came out. `breaks` counts line breaks that were escaped."""

    texts: int = 0
    wrong: int = 0
    untouched: int = 0
    breaks: int = 0
    breaks_missed: int = 0

    def add(self, text: Text, shown: str) -> None:
        """Count one text."""
        self.texts += 1
        self.wrong += shown != text.expected
        self.untouched += text.escaped and shown == text.text
        self.breaks += text.expected.count("\n") - text.text.count("\n")
        self.breaks_missed += text.expected.count("\n") - shown.count("\n")


def shown(text: str) -> str:
    """What a user sees of `text` with `repair: auto`, if it comes without pauses."""
    turn = NewlineReconstructor(Config()).begin(context())
    pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    return "".join(
        event.text
        for event in fed(turn, [TextDelta(piece, "message-1") for piece in pieces])
        if isinstance(event, TextDelta)
    )


def tallies(chosen: Iterable[Text], *, show: bool = False) -> dict[tuple[bool, str], Tally]:
    """Count them by whether they are escaped, and by kind."""
    counted: dict[tuple[bool, str], Tally] = defaultdict(Tally)
    for text in chosen:
        out = shown(text.text)
        counted[text.escaped, text.kind].add(text, out)
        if show and out != text.expected:
            pairs = zip(out, text.expected, strict=False)
            same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
            print(f"{text.kind}: …{out[max(0, same - 40) : same + 40]!r}")  # noqa: T201
    return counted


def table(counted: dict[tuple[bool, str], Tally]) -> str:
    """The counts as two tables in markdown."""
    plain = [f"| {kind} | {t.texts} | {t.wrong} |" for (e, kind), t in counted.items() if not e]
    escaped = [
        f"| {kind} | {t.texts} | {t.wrong - t.untouched} | {t.untouched}"
        f" | {t.breaks_missed} of {t.breaks} |"
        for (e, kind), t in counted.items()
        if e
    ]
    return "\n".join(
        [
            "| not escaped | texts | changed (false repairs) |",
            "|---|---:|---:|",
            *plain,
            "",
            "| escaped twice | texts | repaired in part | missed | line breaks missed |",
            "|---|---:|---:|---:|---:|",
            *escaped,
        ]
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    chosen = [text for text in texts() if text.held_out == options.held_out]
    print(table(tallies(chosen, show=options.show)))  # noqa: T201


if __name__ == "__main__":
    main()
