"""Texts that are escaped twice, and texts that only look like it. README.md says whence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib import resources

import attrs


# One text in so many is held out: by the hash of the text, so that nobody chooses.
HELD_OUT = 10


@attrs.frozen
class Text:
    """
    One text of the corpus.

    `expected` is what the user should see; it is `text` itself if nothing is to be changed.
    `style` says how an escaped one was escaped: "strict" as JSON does, "ascii" the same with
    everything beyond ASCII as an escape, "newlines" the line breaks only.
    """

    kind: str
    source: str
    text: str
    expected: str
    style: str = ""

    @property
    def escaped(self) -> bool:
        """Whether it is one of those to be repaired."""
        return self.text != self.expected

    @property
    def held_out(self) -> bool:
        """Whether it may not be looked at while the rules are worked on."""
        return int(hashlib.sha256(self.text.encode()).hexdigest(), 16) % HELD_OUT == 0


def texts() -> Iterator[Text]:
    """All of them."""
    for name in ("escaped.jsonl", "plain.jsonl"):
        lines = resources.files(__name__).joinpath(name).read_text(encoding="utf-8").split("\n")
        for line in filter(None, lines):
            entry = json.loads(line)
            yield Text(**{"expected": entry["text"], **entry})
