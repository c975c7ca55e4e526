"""Which conversation at Letta a chat is: for its title, and to read what was said in it."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Self

import attrs
import orjson

from gateway.call import Call
from gateway.errors import LettaError, StoreError
from gateway.json_text import dumps
from gateway.letta.chats import ChatsAPI
from gateway.services import Caller, Spawn, Store


if TYPE_CHECKING:
    from loguru import Logger

# A chat is known for so long after it was spoken in last; it is noted anew once a day.
TTL = 365 * 86400.0
DAY = 86400.0

# What the gateway calls conversations of its own: nobody else's must be taken for one.
OURS = "letta-gateway:"


@attrs.frozen
class Noted:
    """What is noted of a chat; of its title only a digest."""

    conversation: str
    title: str = ""
    at: float = 0.0

    def dump(self) -> bytes:
        """As it is stored."""
        return dumps(list(attrs.astuple(self)))

    @classmethod
    def load(cls, stored: bytes | None) -> Self | None:
        """Read it back."""
        return None if stored is None else cls(*orjson.loads(stored))


@attrs.frozen
class Chats:
    """Notes where a chat takes place, for each caller, agent and chat."""

    letta: ChatsAPI
    store: Store
    spawn: Spawn
    logger: Logger

    async def note(self, caller: Caller, chat: str, title: str, call: Call) -> None:
        """Remember where the chat of a prepared call is; give the conversation its title."""
        agent, place = call.agent, call.conversation
        if not chat or agent is None or place is None:
            return
        try:
            await self._note(_name(caller, agent.id, chat), place.id, title)
        except StoreError as exc:  # the answer matters more
            self.logger.warning("where a chat takes place cannot be noted: {}", exc)

    async def place(self, caller: Caller, agent_id: str, chat: str) -> str | None:
        """The conversation that a chat is; None if nothing was said there through here."""
        noted = Noted.load(await self.store.read(_name(caller, agent_id, chat)))
        return None if noted is None else noted.conversation

    async def _note(self, name: str, conversation: str, title: str) -> None:
        known = Noted.load(await self.store.read(name)) or Noted("")
        now, titled = time.time(), known.title if known.conversation == conversation else ""
        noted = Noted(conversation, titled, now)
        if known.conversation != conversation or now - known.at > DAY:
            await self.store.put(name, noted.dump(), ttl=TTL)
        if title and _digest(title) != titled and _can_have(conversation, title):
            self.spawn(self._entitle(name, noted, title))

    async def _entitle(self, name: str, noted: Noted, title: str) -> None:
        try:
            await self.letta.entitle(noted.conversation, title)
            entitled = attrs.evolve(noted, title=_digest(title))
            await self.store.put(name, entitled.dump(), ttl=TTL)
        except (LettaError, StoreError) as exc:  # the next message has the title, too
            self.logger.warning("a conversation could not be given its title: {}", exc)


def _can_have(conversation: str, title: str) -> bool:
    return conversation != "default" and not title.startswith(OURS)


def _name(caller: Caller, agent_id: str, chat: str) -> str:
    # A chat's name is whatever the client likes, and perhaps no text at all.
    digest = hashlib.sha256(chat.encode(errors="surrogatepass")).hexdigest()
    return f"/chats/{caller.identity}/{agent_id}/{digest}"


def _digest(title: str) -> str:
    return hashlib.sha256(title.encode(errors="surrogatepass")).hexdigest()[:32]
