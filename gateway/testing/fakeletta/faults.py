"""What can go wrong on the way from Letta, to be switched on in tests."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

import attrs


Trouble: TypeAlias = Literal["", "drop", "stall", "end", "error", "unknown", "malformed"]


@attrs.frozen
class Fault:
    """
    What goes wrong with an answer. The settings can be combined.

    Args:
        latency: Seconds before anything happens.
        status: Answer with this HTTP status instead, and with `body`.
        chop: Write so many bytes at a time; 1 cuts everywhere.
        pause: Seconds between writes: with `chop=1` a slow loris.
        after: Let so many events pass before `then` happens.
        then: What happens to a stream: the connection is closed (`drop`, which works for
            other answers too), nothing more comes (`stall`), it ends too early (`end`), it
            fails as Letta's own runs do (`error`); or an event of an `unknown` type or with
            `malformed` JSON is slipped in.
        done: Whether the stream's last line is `[DONE]`.
    """

    latency: float = 0.0
    status: int | None = None
    body: Any = attrs.field(factory=lambda: {"detail": "An error on purpose"})
    chop: int = 0
    pause: float = 0.0
    after: int = 0
    then: Trouble = ""
    done: bool = True


@attrs.define
class Rule:
    """A fault for some requests: the next `times` that fit, or all."""

    fault: Fault
    path: str = ""
    method: str = ""
    times: int | None = None

    def fits(self, method: str, path: str) -> bool:
        """Whether this request is meant; counts it if so."""
        if self.times == 0 or self.method not in {"", method} or not re.search(self.path, path):
            return False
        if self.times is not None:
            self.times -= 1
        return True
