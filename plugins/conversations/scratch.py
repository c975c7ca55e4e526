"""A conversation for one request, or for as long as calls made in it wait for the client."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import uuid
from collections.abc import Sequence

import attrs

from gateway.plugin import (
    NO_SETTINGS,
    Agent,
    Call,
    Conversation,
    Lease,
    Message,
    Reject,
    Services,
    Settings,
)
from plugins.conversations import transcript
from plugins.conversations.chat_record import Attempt, ChatRecord
from plugins.conversations.deletion import delete, unmake
from plugins.conversations.unfinished import found_at_last


SUMMARY = "letta-gateway: scratch"
KEPT = re.compile(rf"{SUMMARY}, kept for (\d{{1,12}}) s\Z")


def summary_of(ttl: float) -> str:
    """
    Says how long it is kept without use.

    Gateways and pipelines that share a Letta may differ, and each tidies up after all.
    """
    return f"{SUMMARY}, kept for {ttl:.0f} s"


def ttl_of(summary: str, ours: float) -> float | None:
    """What a summary says, `ours` if it is one that says nothing; None if it is no scratch one."""
    said = KEPT.match(summary)
    if said is None:
        return ours if summary == SUMMARY else None
    return float(said[1])


@attrs.define
class Scratch:
    """
    One request's scratch conversation: made anew, or found again by the calls it answers.

    It is deleted when the answer is over, unless the agent has called the client's tools:
    then it is found by the ids of those calls for `ttl` seconds. Without `ids` the client
    could not name it. `settings` are those that it was made with. One that is `kept` belongs
    to a chat: it is found by its calls, too, and not deleted here.
    """

    services: Services
    caller: str
    agent: Agent
    ttl: float
    ids: bool = True
    calls: list[str] = attrs.field(init=False, factory=list)
    settings: Settings = attrs.field(init=False, default=NO_SETTINGS)
    kept: str = attrs.field(init=False, default="")
    _making: asyncio.Task[str] | None = attrs.field(init=False, default=None)
    _made: str = attrs.field(init=False, default="")
    _found: str = attrs.field(init=False, default="")
    _answered: Sequence[Message] = attrs.field(init=False, default=())
    _lease: Lease | None = attrs.field(init=False, default=None)

    async def make(self, settings: Settings) -> str:
        """A new one with those of these settings that it can carry; its id."""
        self.settings = settings.only(self.agent.carries)
        create = self.services.letta.create_conversation(
            self.agent.id, summary=summary_of(self.ttl), settings=self.settings
        )
        # The client may leave meanwhile: what is made all the same has to be deleted.
        self._making = asyncio.create_task(create)
        self._made = await asyncio.shield(self._making)
        self._making = None
        return self._made

    async def find(self, answered: Sequence[Message], *, wait: float, queue: int) -> str:
        """
        The one in which the calls were made that are answered, or "" if there is none.

        Raises:
            Reject: Somebody else is answering them.
        """
        place = await self._place(answered)
        if not place:
            return ""
        self._lease = await self.services.store.lease(place, wait=wait, queue=queue)
        if self._lease is None:
            text = "These tool calls are being answered by another request."
            raise Reject(409, "conversation_busy", text, retry=False)
        self._found = await self._place(answered)  # another may have answered meanwhile
        self._answered = answered
        return self._found

    def taken(self, call: Call, place: str) -> Call:
        """The request in this conversation; what it asks of the model may not be as it was."""
        same = call.settings.only(self.settings.asked) == self.settings
        settings = self.settings if same else NO_SETTINGS
        reply = call.reply.honouring(settings.fields)
        return attrs.evolve(call, conversation=Conversation(place, False, settings), reply=reply)

    async def unheard(self, said: Sequence[Message]) -> tuple[Message, ...]:
        """What the user says beside the results, without what Letta has kept of earlier tries."""
        if not said:
            return ()
        store, name = self.services.store, f"said/{self._key(self._answered[0])}"
        tried = await store.read(name)
        heard = 0 if tried is None else await self._heard(tried.decode())
        if heard >= len(said):
            return ()
        otid = str(uuid.uuid4())
        value = f"{heard} {len(said)} {otid} {time.time()}"
        await store.put(name, value.encode(), ttl=self.ttl)
        return transcript.marked(transcript.sendable(said[heard:]), otid)

    async def settle(self) -> None:
        """The answer is whole: forget what was answered, remember what is called."""
        store = self.services.store
        place = self.kept or self._found or self._made
        for message in self._answered:
            await store.take(self._key(message))
        for call_id in self.calls if self.ids else ():
            await store.put(self._named(call_id), self._known(place), ttl=self.ttl)
        if not self.calls or not self.ids:
            self._delete_later()

    def abandon(self) -> None:
        """The answer failed: the client may answer its calls again, all else is over."""
        if not self._found:
            self._delete_later()

    async def leave(self) -> None:
        """Let the next request in."""
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.release()

    async def _heard(self, tried: str) -> int:
        """How many messages Letta has kept: those before the last try, or its own as well."""
        before, then, otid, at = tried.split()
        record = ChatRecord(self._found, attempts=(Attempt(1, otid, at=float(at)),))
        found = await found_at_last(self.services.letta, record, self.agent.id)
        return int(then if found.delivered > 0 else before)

    async def _place(self, answered: Sequence[Message]) -> str:
        stored = [await self.services.store.read(self._key(message)) for message in answered]
        known = {each for each in stored if each is not None}
        if len(known) != 1:
            return ""
        place, settings = json.loads(known.pop())
        self.settings = Settings(**settings)
        return str(place)

    def _known(self, place: str) -> bytes:
        return json.dumps((place, attrs.asdict(self.settings))).encode()

    def _key(self, answered: Message) -> str:
        return self._named(answered.tool_call_id or "")

    def _named(self, call_id: str) -> str:
        # What clients send as an id may be of any length.
        digest = hashlib.sha256(call_id.encode(errors="surrogatepass")).hexdigest()
        return f"call/{self.caller}/{self.agent.id}/{digest}"

    def _delete_later(self) -> None:
        if place := self._found or self._made:
            self.services.spawn(delete(self.services, place))
        elif self._making is not None:
            self.services.spawn(unmake(self.services, self._making))
