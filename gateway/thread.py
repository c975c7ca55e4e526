"""Where a request stands among others, where its surface has fields of its own for that."""

from __future__ import annotations

import attrs


@attrs.frozen
class Thread:
    """
    What a surface knows of a request's place, and its messages do not tell.

    `chat` is the chat's name, or "". With `only_new` the messages are what is new: what was
    said before is the gateway's to know, and not in them.

    Where each answer has an id of its own and any may be followed, more than once, `reply` is
    that of the one asked for and `parent` that of the one it follows, "" for none; `first` is
    the ordinal, from 1, of the first user turn behind the parent. A chat that is `passing` is
    no more than such a chain, which nobody has named and which is not kept for long.

    Raises:
        ValueError: A reply without its first turn, or the other way round.
    """

    chat: str = ""
    only_new: bool = False
    parent: str = ""
    reply: str = ""
    first: int = 0
    passing: bool = False

    def __attrs_post_init__(self) -> None:
        if bool(self.reply) != (self.first > 0):
            raise ValueError("a reply has a first user turn, and nothing else has")


NO_THREAD = Thread()
"""All that matters is in the messages."""
