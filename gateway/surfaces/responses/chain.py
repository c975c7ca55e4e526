"""Where a request stands: after which response, and in which conversation at Letta.

The plugins are told by the call's `thread`: in a conversation that the client names all is new;
of a chain of responses any may be followed twice.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence

import attrs

from gateway.errors import Reject
from gateway.streams import NoStream
from gateway.streams.identity import is_id
from gateway.surfaces.openai_messages import refuse
from gateway.surfaces.responses.items import Item, messages_of, type_of
from gateway.surfaces.responses.kept import Kept, Record
from gateway.surfaces.responses.request import Wanted
from gateway.thread import NO_THREAD, Thread


# How long a request waits for the end of the response that it follows.
WAIT_SECONDS = 30.0


@attrs.frozen
class Link:
    """A request's place: what was `said` before it, and what will be kept of it."""

    record: Record
    said: Sequence[Item] = ()
    thread: Thread = NO_THREAD


@attrs.frozen
class Chain:
    """Finds the place of requests among the responses that are kept."""

    kept: Kept

    async def link(self, wanted: Wanted, key: str) -> Link:
        """
        The place of a request; `key` is its idempotency key, or "".

        Raises:
            Reject: What it follows, or refers to, is not kept.
        """
        items = await self._resolved(wanted.input)
        record = Record(_name(key), items, conversation=wanted.conversation)
        if wanted.conversation:
            return Link(record, (), Thread(wanted.conversation, only_new=True))
        if wanted.previous:
            return await self._behind(wanted, record)
        record = attrs.evolve(record, chain=record.reply)
        return Link(record, (), _thread(wanted, record, "", 1) if wanted.store else NO_THREAD)

    async def _behind(self, wanted: Wanted, record: Record) -> Link:
        token, before = await self._before(wanted.previous)
        last = before[-1]
        record = attrs.evolve(record, previous=token, chain=last.chain)
        if last.conversation:
            record = attrs.evolve(record, conversation=last.conversation)
            return Link(record, (), Thread(last.conversation, only_new=True))
        said = [item for each in before for item in (*each.input, *_output(each))]
        turns = sum(message.role == "user" for message in messages_of(said, "history"))
        return Link(record, said, _thread(wanted, record, last.reply, turns + 1))

    async def _before(self, given: str) -> tuple[str, Sequence[Record]]:
        """The token of a response, and all that it followed and itself, oldest first."""
        token = self.kept.ids.token("resp", given)
        record = None if token is None else await self._answered(token)
        if token is None or record is None:
            shown = given[:100]
            text = f"Previous response with id '{shown}' not found. Send the whole input instead."
            refuse("previous_response_id", text, "previous_response_not_found")
        found = [record]
        while record is not None and record.previous:
            record = await self._refreshed(record.previous)
            if record is not None:
                found.insert(0, record)
        return token, found

    async def _refreshed(self, token: str) -> Record | None:
        """What is followed is kept for as long as what follows it."""
        record = await self.kept.read(token)
        if record is not None and record.stored < time.time() - self.kept.ttl / 2:
            await self.kept.write(token, record)
        return record

    async def _answered(self, token: str) -> Record | None:
        """A record with its response, which may have to be waited for."""
        record = await self.kept.read(token)
        if record is None or record.body is not None:
            return record
        try:
            stood = await self.kept.streams.ended(token, self.kept.caller, WAIT_SECONDS)
        except NoStream:  # nobody has seen its end, and now it cannot be seen any more
            return record
        if stood.state == "running":
            text = "The response that this one follows is not over yet."
            raise Reject(409, "response_in_progress", text, retry=False)
        return attrs.evolve(record, body=await self.kept.seen(stood))

    async def _resolved(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items, and in place of references what they refer to."""
        known: dict[str, Item] = {}
        for token in {_token(item) for item in items if _refers(item)}:
            known |= await self._items_of(token)
        return [
            _referred(item, known, f"input.[{i}]") if _refers(item) else item
            for i, item in enumerate(items)
        ]

    async def _items_of(self, token: str) -> Mapping[str, Item]:
        """The items of a response of the caller's, by their ids."""
        if not is_id(token):
            return {}
        try:
            return {item["id"]: item for item in (await self.kept.body(token))["output"]}
        except NoStream:
            return {}


def _refers(item: Item) -> bool:
    return type_of(item) == "item_reference"


def _token(item: Item) -> str:
    """The part of an item's id that it has of its response's."""
    return str(item.get("id")).partition("_")[2][:32]


def _referred(item: Item, known: Mapping[str, Item], at: str) -> Item:
    given = str(item.get("id"))
    if given not in known:
        refuse(f"{at}.id", f"Item with id '{given[:100]}' not found.", "item_not_found")
    return known[given]


def _thread(wanted: Wanted, record: Record, parent: str, first: int) -> Thread:
    named = (wanted.body.get("metadata") or {}).get("chat_id") is not None
    chat = "" if named else record.chain
    return Thread(chat, parent=parent, reply=record.reply, first=first, passing=not named)


def _name(key: str) -> str:
    """A new name; the same for all requests with the same idempotency key."""
    if not key:
        return secrets.token_hex(16)
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32]


def _output(record: Record) -> Sequence[Item]:
    output: Sequence[Item] = (record.body or {}).get("output", ())
    return output
