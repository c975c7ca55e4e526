"""Finds secrets in a text that comes in pieces. No I/O, no time, no events."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs


# Letters of which secrets are made, and everything else.
_RUNS = re.compile(r"[A-Za-z0-9_-]+|[^A-Za-z0-9_-]+")
_TOKEN = re.compile(r"[A-Za-z0-9_-]")


@attrs.define
class Scanner:
    """
    Reads one text. A secret is a word that begins with one of `prefixes` and has at least
    `shortest` letters more; it becomes `mask`.

    A word's beginning is kept back as long as it may be the beginning of a secret. That is
    never longer than the shortest secret: from there on it is one, however long it gets.
    """

    prefixes: Sequence[str]
    shortest: int
    mask: str
    _word: str = ""
    _gone: int = 0
    _decided: str | None = None

    def feed(self, text: str) -> str:
        """The next piece; what can be told of it, and of what was held before."""
        return "".join(map(self._run, _RUNS.findall(text)))

    def end(self) -> str:
        """The word is over: it was no secret, or it has been masked."""
        rest = "" if self._decided else self._word[self._gone :]
        self._word, self._gone, self._decided = "", 0, None
        return rest

    def release(self) -> str:
        """Let go the beginning of a word; if it becomes a secret, its rest is masked."""
        rest, self._gone = self._word[self._gone :], len(self._word)
        return rest

    @property
    def holding(self) -> bool:
        """Whether something is held that may go at any time."""
        return self._decided is None and self._gone < len(self._word) and not self._begun

    @property
    def _begun(self) -> bool:
        """A whole prefix has come: this is rather late than seen."""
        return self._word.startswith(tuple(self.prefixes))

    def _run(self, run: str) -> str:
        if not _TOKEN.match(run):
            return self.end() + run
        if self._decided == "secret":
            return ""
        if self._decided == "word":
            return run
        self._word += run
        return self._decide()

    def _decide(self) -> str:
        if any(self._is_secret(prefix) for prefix in self.prefixes):
            self._decided = "secret"
            return self.mask
        if self._begun or any(prefix.startswith(self._word) for prefix in self.prefixes):
            return ""
        rest = self.release()
        self._decided = "word"
        return rest

    def _is_secret(self, prefix: str) -> bool:
        return self._word.startswith(prefix) and len(self._word) >= len(prefix) + self.shortest
