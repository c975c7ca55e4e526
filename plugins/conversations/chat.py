"""A chat as one request of it sees it: the queue for it, and its record in the store."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence

import attrs

from gateway.events import Error
from gateway.plugin import Call, Conversation, Lease, Message, Reject, Services
from plugins.conversations import transcript, unfinished
from plugins.conversations.branches import Branches
from plugins.conversations.chat_record import Attempt, ChatRecord
from plugins.conversations.deletion import delete, unmake
from plugins.conversations.message_ids import MessageIds
from plugins.conversations.refusals import refuse_busy, refuse_results, said_of


# What conversations that stay are called at Letta.
PINNED = "letta-gateway: chat"
ONGOING = "letta-gateway: ongoing"

# Errors after which Letta has nothing of the turn.
UNTAKEN = frozenset({"conversation_busy", "upstream_unreachable"})


@attrs.define
class Chat:
    """
    One request's hold on a chat.

    `name` is where its branches are stored, and `ttl` how long. A turn is written down before
    it is sent, so that whatever happens, the next request knows what to ask Letta about.
    """

    services: Services
    name: str
    ttl: float
    branches: Branches = attrs.Factory(Branches)
    _lease: Lease | None = None
    _sending: ChatRecord | None = None
    _made: asyncio.Task[str] | None = None
    _over: bool = False
    _untaken: bool = False
    _kept: bool = False
    _replied: ChatRecord | None = None

    async def hold(self, queue: str, *, wait: float, most: int) -> None:
        """
        Wait until no other request is under way in this queue.

        Raises:
            Reject: It took too long, or too many wait already.
        """
        lease = await self.services.store.lease(queue, wait=wait, queue=most)
        if lease is None:
            refuse_busy()
        self._lease = lease

    async def read(self) -> Branches:
        """Its branches, as they were last written."""
        stored = await self.services.store.read(self.name)
        try:
            self.branches = Branches() if stored is None else Branches.load(stored)
        except (ValueError, TypeError, KeyError):  # of another version, or damaged
            self.services.logger.warning("the record of a chat cannot be read: it begins anew")
            self.branches = Branches()
        return self.branches

    async def resolved(
        self, record: ChatRecord, agent_id: str, *, only: bool = False
    ) -> ChatRecord | None:
        """
        The record with what Letta has kept since; None if it is to be left.

        Args:
            only: It is not left because something may still go on there.
        """
        if not record.attempts:
            return record
        find = unfinished.found_at_last if only else unfinished.found
        try:
            found = await find(self.services.letta, record, agent_id)
        except Reject as exc:
            if exc.status != 404:  # else somebody has deleted the conversation
                raise
            found = None
        if found is None:
            self._leave_behind(record)
        return found

    async def make(self, agent_id: str, summary: str) -> ChatRecord:
        """A new conversation. It is deleted if nothing is sent there."""
        create = self.services.letta.create_conversation(agent_id, summary=summary)
        # The client may leave meanwhile: what is made all the same has to be deleted.
        self._made = asyncio.create_task(create)
        return ChatRecord(await asyncio.shield(self._made))

    async def go_on(self, call: Call, record: ChatRecord) -> Call:
        """All that the client sends is new: it is said where the chat stands."""
        said = said_of([message for message in call.messages if message.role != "system"])
        turn = record.delivered + transcript.user_turns(call.messages)
        return await self.send(call, record, said, turn)

    async def send(
        self,
        call: Call,
        record: ChatRecord,
        said: Sequence[Message],
        turn: int,
        ids: MessageIds | None = None,
    ) -> Call:
        """What Letta is to be asked there; it is written down before."""
        system = transcript.system(call.messages)
        digest = transcript.digest(system)
        told = transcript.sendable(system) if digest != record.system else ()
        reply = ids.reply if ids else ""
        attempt = Attempt(turn, str(uuid.uuid4()), digest, reply, at=time.time())
        sending = record.trying(attempt, ids)
        await self._write(sending)
        self._sending, self._made = sending, None
        sent = transcript.marked([*told, *said], attempt.otid)
        return attrs.evolve(call, conversation=Conversation(record.conversation), input=sent)

    def failed(self, error: Error) -> None:
        """Note what is known of the turn. That it was rolled back Letta says too early."""
        self._untaken = error.code in UNTAKEN
        self._over = error.rolled_back or error.code == "run_cancelled"

    def answered(self) -> None:
        """Letta has kept the turn with an answer; whatever else it is asked does not undo that."""
        self._kept = True

    async def forget(self) -> None:
        """The conversation that was written to does not exist any more."""
        if self._sending is not None:
            self.branches = self.branches.without(self._sending)
            self._sending = None

    def follow_up(
        self,
        call: Call,
        record: ChatRecord | None,
        returned: Sequence[Message],
        ids: MessageIds | None,
    ) -> Call:
        """As the function; in a chain of responses the branch ends with another reply then."""
        if record is not None and ids is not None and ids.first:
            self._replied = record.replied(ids.reply)
        return follow_up(call, record, returned)

    async def settle(self) -> None:
        """Letta has kept what was under way."""
        if self._replied is not None:
            await self._write(self._replied)
            self._replied = None
        if self._sending is not None:
            await self._write(self._sending.kept(self._sending.attempts[-1]))
            self._sending = None

    async def leave(self) -> None:
        """Let the next request in. Doing so twice does nothing."""
        if self._made is not None:
            self.services.spawn(unmake(self.services, self._made))
            self._made = None
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            if self._kept:
                await self.settle()
            elif self._sending is not None and self._untaken:
                await self._write(self._sending.without_last())
            elif self._sending is not None and self._over:
                await self._write(self._sending.over())
        finally:
            await lease.release()

    def _leave_behind(self, record: ChatRecord) -> None:
        """Another conversation is to take its place; a new one in which nothing was kept goes."""
        self.branches = self.branches.without(record)
        if not record.delivered and record.conversation != "default":
            self.services.spawn(delete(self.services, record.conversation))

    async def _write(self, record: ChatRecord) -> None:
        branches = self.branches.used(record)
        await self.services.store.put(self.name, branches.dump(), ttl=self.ttl)
        self.branches = branches


def follow_up(call: Call, record: ChatRecord | None, returned: Sequence[Message]) -> Call:
    """The results of tool calls, and nothing else: no turn of its own."""
    if record is None or not transcript.results(call.messages):
        refuse_results(returned)
    return attrs.evolve(call, conversation=Conversation(record.conversation), input=())
