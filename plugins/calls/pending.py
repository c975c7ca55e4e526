"""The tool calls that an agent waits for, as they are kept between two requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from gateway.plugin import Message, Pending


@attrs.frozen
class PendingCalls:
    """
    Calls that `owner` was given to run: Letta's ids by those that the client knows.

    While their results are on their way, `answering` is the request of Letta's that they
    answer: nobody has seen yet what became of them. The agent may wait for others by then,
    and models give the same ids again. `sent` is when that was (Unix seconds), or 0 once it
    is known to be over.
    """

    owner: str
    shown: Mapping[str, str]
    answering: str = ""
    sent: float = 0.0

    @classmethod
    def load(cls, stored: bytes) -> Self:
        """Read it back."""
        return cls(**json.loads(stored))

    def dump(self) -> bytes:
        """As it is stored: ids, and nothing of what was said."""
        return json.dumps(attrs.asdict(self)).encode()

    def awaited(self, pending: Pending) -> Mapping[str, str]:
        """Those of them that the agent still waits for."""
        waiting = {call.id for call in pending.calls}
        same = self.answering in {"", pending.request}
        return {here: there for here, there in self.shown.items() if same and there in waiting}

    def results(self, returned: Sequence[Message]) -> Mapping[str, Message]:
        """
        Results by Letta's ids, as far as they are results of these calls.

        OpenAI's older form has one call at a time, and no ids.
        """
        return {
            self.shown[here]: each for each in returned if (here := self._of(each)) in self.shown
        }

    def strangers(self, returned: Sequence[Message]) -> Sequence[Message]:
        """Those that are results of other calls."""
        return [each for each in returned if self._of(each) not in self.shown]

    def _of(self, result: Message) -> str:
        only = next(iter(self.shown)) if len(self.shown) == 1 else ""
        return only if result.tool_call_id is None else result.tool_call_id
