"""The branches of a chat that people go on with, each in a conversation of its own."""

from __future__ import annotations

import json
from typing import Any, Self

import attrs

from plugins.conversations.chat_record import Attempt, ChatRecord
from plugins.conversations.message_ids import MessageIds


# Those that somebody was in last. Whoever goes back to another begins it anew.
MOST_BRANCHES = 8

# A reply that no message is taken to answer.
NO_REPLY = "-"


@attrs.frozen
class Branches:
    """A chat's branches, the one used last first."""

    records: tuple[ChatRecord, ...] = ()

    @classmethod
    def load(cls, stored: bytes) -> Self:
        """Read them back."""
        return cls(tuple(_record(fields) for fields in json.loads(stored)))

    def dump(self) -> bytes:
        """As they are stored."""
        return json.dumps([attrs.asdict(record) for record in self.records]).encode()

    @property
    def latest(self) -> ChatRecord | None:
        """The one used last."""
        return next(iter(self.records), None)

    def to_go_on(self, ids: MessageIds | None) -> ChatRecord | None:
        """The one that the next message may belong to, if it is here at all."""
        latest = self.latest
        if ids is None or latest is None:
            return latest
        found = (record for record in self.records if ids.parent in record.ends)
        # Where nothing was kept, anything may be begun; where no ids were sent, none are known.
        open_to_all = latest if not latest.delivered or not latest.tip else None
        return next(found, open_to_all)

    def answering(self, ids: MessageIds | None) -> ChatRecord | None:
        """The one in which the reply is still being made: its calls wait for their results."""
        asked = () if ids is None else (ids.parent,) if ids.first else (ids.reply,)
        found = (each for each in self.records if any(reply in each.ends for reply in asked))
        return next(found, self.latest)

    def begun_with(self, turn: int, ids: MessageIds | None) -> MessageIds | None:
        """The ids of a new branch: after a wish for another reply nobody goes on there."""
        if ids is None or ids.first:
            return ids
        if not any(record.wished_otherwise(turn, ids) for record in self.records):
            return ids
        return attrs.evolve(ids, reply=NO_REPLY)

    def used(self, record: ChatRecord) -> Self:
        """The same, with this one as the last used."""
        others = (
            other
            for other in self.records
            if other.conversation != record.conversation and not _replaced(other, record)
        )
        return attrs.evolve(self, records=(record, *others)[:MOST_BRANCHES])

    def without(self, record: ChatRecord) -> Self:
        """The same without this one."""
        others = (each for each in self.records if each.conversation != record.conversation)
        return attrs.evolve(self, records=tuple(others))


def _replaced(other: ChatRecord, record: ChatRecord) -> bool:
    """Whether it ends with the same reply, which has been continued since."""
    return bool(record.tip) and other.tip == record.tip


def _record(fields: Any) -> ChatRecord:
    if not isinstance(fields, dict):
        raise TypeError("not the record of a branch")
    attempts = tuple(Attempt(**attempt) for attempt in fields.pop("attempts"))
    past, lost = (tuple(fields.pop(name)) for name in ("past", "lost"))
    return ChatRecord(attempts=attempts, past=past, lost=lost, **fields)
