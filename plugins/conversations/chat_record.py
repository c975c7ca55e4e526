"""What is kept of a chat between its requests: never a word of what was said.

Only ordinals are compared: two chats may well begin with the same words.
"""

from __future__ import annotations

import json
from typing import Self

import attrs


# A turn that failed is asked about until one succeeds. A run can outlive a broken connection,
# so not the last one only; but a chat that fails for ever must not ask for ever more.
MOST_ATTEMPTS = 4


@attrs.frozen
class Attempt:
    """
    A turn on its way to Letta, whose end the gateway has not seen yet, or not understood.

    `otid` is what Letta knows the turn's last user message by, `system` the digest of the
    system messages that the agent knows once it is kept.
    """

    turn: int
    otid: str
    system: str = ""


@attrs.frozen
class ChatRecord:
    """
    A chat's place at Letta.

    `delivered` is the ordinal of the last user turn that Letta has kept, `system` the digest
    of the system messages it was last told. What became of `attempts`, oldest first, is
    asked of Letta when the chat goes on.
    """

    conversation: str
    delivered: int = 0
    system: str = ""
    attempts: tuple[Attempt, ...] = ()

    @classmethod
    def load(cls, stored: bytes) -> Self:
        """Read it back."""
        fields = json.loads(stored)
        attempts = tuple(Attempt(**attempt) for attempt in fields.pop("attempts"))
        return cls(attempts=attempts, **fields)

    def dump(self) -> bytes:
        """As it is stored."""
        return json.dumps(attrs.asdict(self)).encode()

    def trying(self, attempt: Attempt) -> Self:
        """The same, with a turn on its way."""
        return attrs.evolve(self, attempts=(*self.attempts[1 - MOST_ATTEMPTS :], attempt))

    def without_last(self) -> Self:
        """The same, once it is known that Letta has not kept the last turn tried."""
        return attrs.evolve(self, attempts=self.attempts[:-1])

    def kept(self, attempt: Attempt) -> Self:
        """The same, once it is known that Letta has kept this turn."""
        later = self.attempts[self.attempts.index(attempt) + 1 :]
        delivered = max(self.delivered, attempt.turn)
        return attrs.evolve(self, delivered=delivered, system=attempt.system, attempts=later)
