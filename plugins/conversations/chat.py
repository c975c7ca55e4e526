"""A chat as one request of it sees it: the queue for it, and its record in the store."""

from __future__ import annotations

import uuid

import attrs

from gateway.plugin import Lease, Reject, Services
from plugins.conversations.chat_record import MOST_ATTEMPTS, Attempt, ChatRecord


@attrs.define
class Chat:
    """
    One request's hold on a chat.

    `name` is where its record is stored, and `ttl` how long. A turn is written down before
    it is sent, so that whatever happens, the next request knows what to ask Letta about;
    `untaken` says that Letta is known to have kept nothing of it.
    """

    services: Services
    name: str
    ttl: float
    untaken: bool = False
    _lease: Lease | None = None
    _sending: ChatRecord | None = None

    async def hold(self, queue: str, *, wait: float, most: int) -> None:
        """
        Wait until no other request is under way in this queue.

        Raises:
            Reject: It took too long, or too many wait already.
        """
        lease = await self.services.store.lease(queue, wait=wait, queue=most)
        if lease is None:
            text = "This conversation is busy with other requests. Try again when they are done."
            raise Reject(409, "conversation_busy", text, retry=False)
        self._lease = lease

    async def stored(self) -> ChatRecord | None:
        """Its record, as it was last written."""
        stored = await self.services.store.read(self.name)
        try:
            return None if stored is None else ChatRecord.load(stored)
        except (ValueError, TypeError, KeyError):  # of another version, or damaged
            self.services.logger.warning("the record of a chat cannot be read: it begins anew")
            return None

    async def resolved(self, record: ChatRecord, agent_id: str) -> ChatRecord | None:
        """
        The record with what Letta has kept since.

        None if the conversation is gone, or so many attempts are open that it is safer to
        begin anew from the client's history.
        """
        try:
            for attempt in reversed(record.attempts):
                if await self.services.letta.kept(agent_id, record.conversation, attempt.otid):
                    return record.kept(attempt)
        except Reject as exc:
            if exc.status == 404:
                return None
            raise
        if len(record.attempts) >= MOST_ATTEMPTS and record.conversation != "default":
            return None  # the oldest would be forgotten, and its run may still be going on
        return record

    async def send(self, record: ChatRecord, turn: int, system: str) -> str:
        """Write down what is under way before it is; the id to send its message with."""
        attempt = Attempt(turn, str(uuid.uuid4()), system)
        self._sending = record.trying(attempt)
        await self._write(self._sending)
        return attempt.otid

    async def forget(self) -> None:
        """There is no such conversation any more."""
        await self.services.store.take(self.name)

    async def settle(self) -> None:
        """Letta has kept what was under way."""
        if self._sending is not None:
            await self._write(self._sending.kept(self._sending.attempts[-1]))

    async def leave(self) -> None:
        """Let the next request in. Doing so twice does nothing."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            if self.untaken and self._sending is not None:
                await self._write(self._sending.without_last())
        finally:
            await lease.release()

    async def _write(self, record: ChatRecord) -> None:
        await self.services.store.put(self.name, record.dump(), ttl=self.ttl)
