"""What is kept of a chat between its requests: never a word of what was said.

Only ordinals and ids are compared: two chats may well begin with the same words.
"""

from __future__ import annotations

from typing import Self

import attrs

from plugins.conversations.message_ids import MessageIds


# A turn that failed is asked about until it is known what became of it. In the agent's own
# conversation that may be never, but a chat that fails for ever must not ask for ever more.
MOST_ATTEMPTS = 4

# Replies that are remembered by their ids: who goes back further begins anew.
MOST_REPLIES = 16


@attrs.frozen
class Attempt:
    """
    A turn on its way to Letta, whose end the gateway has not seen yet, or not understood.

    `otid` is what Letta knows the turn's last user message by, `system` the digest of the
    system messages that the agent knows once it is kept, `reply` the client's id of the
    answer, `at` when it was written down (Unix seconds). If it is `over`, nothing of it goes
    on any more.
    """

    turn: int
    otid: str
    system: str = ""
    reply: str = ""
    at: float = 0.0
    over: bool = False


@attrs.frozen
class ChatRecord:
    """
    A branch of a chat, and its place at Letta.

    `delivered` is the ordinal of the last user turn that Letta has kept, `system` the digest
    of the system messages it was last told. What became of `attempts`, oldest first, is
    asked of Letta when the chat goes on.

    Where the client names its messages, `tip` is the reply that the branch ends with, `past`
    are those before it, and `lost` those that the client has after it and Letta has not.
    """

    conversation: str
    delivered: int = 0
    system: str = ""
    attempts: tuple[Attempt, ...] = ()
    tip: str = ""
    past: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def ends(self) -> tuple[str, ...]:
        """The replies that a next message may answer here, as far as is known."""
        tried = (attempt.reply for attempt in self.attempts)
        return tuple(reply for reply in (self.tip, *self.lost, *tried) if reply)

    def first_new(self, turn: int, ids: MessageIds | None) -> int | None:
        """
        The first of the user's turns that Letta has to be told here.

        None if the last of them, number `turn`, does not belong to the end of this branch.
        """
        if ids is not None and self.tip:
            if ids.parent == self.tip:
                return ids.first or turn
            if ids.parent in self.lost and ids.first:
                return min(ids.first, self.delivered + 1)
            if ids.parent in self.lost:
                return max(1, turn - 1 - self.lost.index(ids.parent))
            if ids.parent in {"", *self.past}:
                return None
        return self.delivered + 1 if turn > self.delivered else None

    def wished_otherwise(self, turn: int, ids: MessageIds) -> bool:
        """
        Whether this is a wish for another reply, said after the one that the branch has.

        The client will put the new reply into the other's place and drop the wish.
        """
        before = self.past[-1] if self.past else ""
        return ids.parent == before and bool(self.tip) and turn == self.delivered + 1

    def trying(self, attempt: Attempt, ids: MessageIds | None = None) -> Self:
        """The same, with a turn on its way, which answers the reply `ids.parent`."""
        after = self.lost.index(ids.parent) + 1 if ids and ids.parent in self.lost else 0
        attempts = (*self.attempts[1 - MOST_ATTEMPTS :], attempt)
        return attrs.evolve(self, attempts=attempts, lost=self.lost[:after])

    def replied(self, reply: str) -> Self:
        """The same, with another reply at its end, for which nothing was said."""
        return attrs.evolve(self, tip=reply, past=_with(self.past, self.tip), lost=())

    def over(self) -> Self:
        """The same, once it is known that nothing of the last turn tried goes on."""
        *before, last = self.attempts
        return attrs.evolve(self, attempts=(*before, attrs.evolve(last, over=True)))

    def without_last(self) -> Self:
        """The same, once it is known that Letta has not kept the last turn tried."""
        *before, last = self.attempts
        return attrs.evolve(self, attempts=tuple(before), lost=_with(self.lost, last.reply))

    def untaken(self) -> Self:
        """The same, once it is known that Letta has kept none of the turns tried."""
        replies = (attempt.reply for attempt in self.attempts)
        return attrs.evolve(self, attempts=(), lost=_with(self.lost, *replies))

    def kept(self, attempt: Attempt) -> Self:
        """The same, once it is known that Letta has kept this turn."""
        later = self.attempts[self.attempts.index(attempt) + 1 :]
        past = _with(self.past, self.tip, *self.lost)
        return attrs.evolve(
            self,
            delivered=max(self.delivered, attempt.turn),
            system=attempt.system,
            attempts=later,
            tip=attempt.reply,
            past=tuple(each for each in past if each != attempt.reply),
            lost=(),
        )


def _with(replies: tuple[str, ...], *more: str) -> tuple[str, ...]:
    known = dict.fromkeys(reply for reply in (*replies, *more) if reply)
    return tuple(known)[-MOST_REPLIES:]
