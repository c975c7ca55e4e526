"""What is kept of a chat between its requests: never a word of what was said.

Only ordinals are compared: two chats may well begin with the same words.
"""

from __future__ import annotations

import json
from typing import Self

import attrs


@attrs.frozen
class ChatRecord:
    """
    A chat's place at Letta.

    `delivered` is the ordinal of the last user turn that Letta has kept. While turn number
    `sending` is under way, `otid` is what Letta knows its message by: if the gateway never
    learns how that ended, Letta is asked whether it has kept it.
    """

    conversation: str
    delivered: int = 0
    sending: int = 0
    otid: str = ""
    system: str = ""

    @classmethod
    def load(cls, stored: bytes) -> Self:
        """Read it back."""
        return cls(**json.loads(stored))

    def dump(self) -> bytes:
        """As it is stored."""
        return json.dumps(attrs.asdict(self)).encode()

    def resolved(self, *, kept: bool) -> Self:
        """The same, once it is known whether Letta has kept what was under way."""
        delivered = self.sending if kept else self.delivered
        return attrs.evolve(self, delivered=delivered, sending=0, otid="")
