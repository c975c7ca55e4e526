"""Which kept streams run in a chat, so that one that nobody reads makes way for what is said next.

Its chat waits for it, and who has gone on does not come back for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from gateway.call import Call
from gateway.errors import StoreError
from gateway.services import Caller, Spawn, Store
from gateway.streams.control import Control
from gateway.streams.identity import place_of, talk_of
from gateway.streams.kept import Head
from gateway.streams.place import Place
from gateway.streams.roll import Roll


if TYPE_CHECKING:
    from loguru import Logger

# How long other processes know of a stream in a chat; of one that runs for longer they do not.
KNOWN_SECONDS = 7200.0


class Talking(Protocol):
    """A stream that runs here."""

    @property
    def head(self) -> Head:
        """Its facts, as far as they are known by now."""

    def make_way(self) -> None:
        """It is to end, unless somebody reads it."""


@attrs.define
class Talks:
    """
    The streams of this process by their chats; of those of other processes the store knows.

    Nobody waits for the store, which may fail: then those elsewhere go on for their time.
    """

    store: Store
    spawn: Spawn
    control: Control
    logger: Logger
    _here: dict[str, dict[str, Talking]] = attrs.field(init=False, factory=dict)

    def said(self, call: Call, caller: Caller, chat: str) -> None:
        """Something new is said in a chat: what runs there and nobody reads makes way."""
        here = self._here.get(talk_of(caller.identity, chat), {})
        for talking in here.values():
            if _is_of(talking.head, call.model):
                talking.make_way()
        self.spawn(self._said_elsewhere(call.model, caller, chat, frozenset(here)))

    def begin(self, talking: Talking, caller: Caller, chat: str) -> None:
        """A stream runs in a chat."""
        talk = talk_of(caller.identity, chat)
        self._here.setdefault(talk, {})[talking.head.id] = talking
        self.spawn(self._tell(talk, talking.head.id, come=True))

    def end(self, talking: Talking, caller: Caller, chat: str) -> None:
        """It does so no more."""
        talk = talk_of(caller.identity, chat)
        here = self._here.get(talk, {})
        if here.pop(talking.head.id, None) is not None:
            self.spawn(self._tell(talk, talking.head.id, come=False))
        if not here:
            self._here.pop(talk, None)

    async def _said_elsewhere(
        self, model: str, caller: Caller, chat: str, here: frozenset[str]
    ) -> None:
        roll = Roll(self.store, talk_of(caller.identity, chat))
        try:
            for stream in await roll.there() - here:
                place = Place(self.store, place_of(caller.identity, stream))
                head = await place.head()
                if head is not None and head.writer != self.control.name and _is_of(head, model):
                    await self.control.tell(head.writer, "make_way", place.name)
                if head is None or not await place.is_written():  # its process was killed
                    await roll.go(stream, KNOWN_SECONDS)
        except StoreError as exc:
            self.logger.debug("the streams of a chat cannot be told to make way: {}", exc)

    async def _tell(self, talk: str, stream: str, *, come: bool) -> None:
        roll = Roll(self.store, talk)
        say = roll.come if come else roll.go
        try:
            await say(stream, KNOWN_SECONDS)
        except StoreError as exc:
            self.logger.debug("the streams of a chat cannot be noted: {}", exc)


def _is_of(head: Head, model: str) -> bool:
    """Whether it is the same agent's: a chat may have several. Other surfaces have other names."""
    return model in {head.model, head.agent, head.agent_name}
