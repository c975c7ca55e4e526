"""Which conversation at Letta a request belongs to, and what of its history is new there.

OpenAI clients resend the whole history with each turn, and Letta's agents remember: an agent
must get only what is new, in the right conversation.

- With a chat key, a conversation is pinned for that key, agent and caller.
- Without one, `stateless` feeds the transcript to a scratch conversation that is deleted
  afterwards; `agent` sends the last user message to one conversation that goes on.
- Older agent types have one context, whatever conversation is named: they take one request
  at a time, and one chat key.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import attrs

from gateway.events import Error, Finish, TextDelta
from gateway.plugin import (
    Agent,
    Call,
    Context,
    Conversation,
    Lease,
    Message,
    Plugin,
    Reject,
    Services,
    Turn,
)
from plugins import transcript
from plugins.chat_record import ChatRecord
from plugins.ui_tasks import is_task


SCRATCH = "letta-gateway: scratch"
PINNED = "letta-gateway: chat"
ONGOING = "letta-gateway: ongoing"


@attrs.frozen
class Config:
    """Settings of `conversation_resolver`."""

    mode: Literal["stateless", "agent"] = attrs.field(
        default="stateless",
        metadata={
            "help": "requests without a chat key: stateless (a scratch conversation fed with the"
            " client's history) or agent (one conversation that goes on)"
        },
    )
    keys: list[str] = attrs.field(
        factory=lambda: ["X-Letta-Chat-Key", "X-OpenWebUI-Chat-Id"],
        metadata={"help": "headers whose value names the chat"},
    )
    agent_conversation: Literal["own", "default"] = attrs.field(
        default="own",
        metadata={"help": "in mode agent: a conversation of the gateway's, or the agent's default"},
    )
    tasks: Literal["answer", "empty"] = attrs.field(
        default="answer",
        metadata={"help": "titles and tags for a chat UI: let the agent answer apart, or say {}"},
    )
    task_header: str = attrs.field(
        default="X-OpenWebUI-Task",
        metadata={"help": "header that marks a chat UI's own requests ({{TASK}} in Open WebUI)"},
    )
    share_legacy: bool = attrs.field(
        default=False,
        metadata={"help": "let several chats share the one context of an older agent"},
    )
    wait_seconds: float = attrs.field(
        default=30.0, metadata={"help": "how long a request waits for a busy conversation"}
    )
    queue: int = attrs.field(
        default=8, metadata={"help": "how many requests may wait for one conversation"}
    )
    ttl_days: float = attrs.field(
        default=30.0, metadata={"help": "days without a request after which a chat is forgotten"}
    )


class ConversationResolver(Plugin[Config]):
    """Decides where at Letta a request takes place, and what of it is sent."""

    needs = frozenset({"agent_resolver"})

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        self.services = services
        yield

    def begin(self, context: Context) -> Turn:
        return ConversationTurn(self.config, self.services, context.caller.identity)


@attrs.define
class ConversationTurn(Turn):
    """One request's conversation."""

    config: Config
    services: Services
    caller: str
    _lease: Lease | None = None
    _scratch: str = ""
    _chat: str = ""
    _record: ChatRecord | None = None

    async def prepare(self, call: Call) -> Call:
        agent = call.agent
        if agent is None:
            return call
        if not transcript.user_turns(call.messages):
            text = "'messages' must contain at least one message with the role 'user'."
            raise Reject(400, "missing_user_message", text, param="messages")
        if is_task(call, self.config.task_header):
            return await self._task(call, agent)
        key = chat_key(call, self.config.keys)
        if agent.older:
            return await self._older(call, agent, key)
        if key:
            return await self._keyed(call, agent, key)
        if self.config.mode == "stateless":
            return await self._scratched(call, agent)
        return await self._ongoing(call, agent)

    async def again(self, call: Call, error: Error) -> Call | None:
        """A pinned conversation that somebody has deleted is begun anew from the history."""
        if error.code != "conversation_not_found" or call.agent is None or not self._chat:
            return None
        if self._chat == _everyone(call.agent):
            await self.services.store.take(self._chat)
            return await self._continue(call, call.agent)
        return await self._branch(call, call.agent)

    async def settle(self) -> None:
        try:
            if self._record is not None:
                await self._keep(self._record.resolved(kept=True))
        finally:
            await self._leave()

    async def abandon(self) -> None:
        # What became of a pinned chat's message is asked when the chat goes on: see _read.
        await self._leave()

    async def _leave(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.release()
        scratch, self._scratch = self._scratch, ""
        if scratch:
            self.services.spawn(self._delete(scratch))

    async def _delete(self, conversation: str) -> None:
        try:
            await self.services.letta.delete_conversation(conversation)
        except Reject as exc:
            self.services.logger.warning(
                "scratch conversation {} is left behind: {}", conversation, exc.message
            )

    async def _task(self, call: Call, agent: Agent) -> Call:
        if agent.older or self.config.tasks == "empty":
            return attrs.evolve(call, answer=(TextDelta("{}", "task"), Finish()))
        return await self._scratched(call, agent)

    async def _scratched(self, call: Call, agent: Agent) -> Call:
        letta = self.services.letta
        self._scratch = await letta.create_conversation(agent.id, summary=SCRATCH)
        place = Conversation(self._scratch, keep=False)
        return attrs.evolve(call, conversation=place, input=transcript.sendable(call.messages))

    async def _ongoing(self, call: Call, agent: Agent) -> Call:
        """One conversation for all who name no chat: only the last user message is sent."""
        await self._queue(_everyone(agent))
        return await self._continue(call, agent)

    async def _continue(self, call: Call, agent: Agent) -> Call:
        record = await self._read(agent, _everyone(agent))
        if record is None:
            own = self.config.agent_conversation == "own" and not agent.older
            create = self.services.letta.create_conversation
            record = ChatRecord(await create(agent.id, summary=ONGOING) if own else "default")
        return await self._send(call, record, transcript.last_user(call.messages), turn=0)

    async def _keyed(self, call: Call, agent: Agent, key: str) -> Call:
        chat = f"chat/{self.caller}/{agent.id}/{key}"
        await self._queue(chat)
        record = await self._read(agent, chat)
        turn = transcript.user_turns(call.messages)
        if record is None or turn <= record.delivered:
            return await self._branch(call, agent)
        new = transcript.since(call.messages, record.delivered + 1)
        return await self._send(call, record, new, turn)

    async def _branch(self, call: Call, agent: Agent) -> Call:
        """A new conversation fed with the whole branch: a new chat, a regenerated or edited one."""
        conversation = await self.services.letta.create_conversation(agent.id, summary=PINNED)
        said = [message for message in call.messages if message.role != "system"]
        turn = transcript.user_turns(call.messages)
        return await self._send(call, ChatRecord(conversation), said, turn)

    async def _older(self, call: Call, agent: Agent, key: str) -> Call:
        if not key or self.config.share_legacy:
            return await self._ongoing(call, agent)
        await self._bind(agent, key)
        chat = f"chat/{self.caller}/{agent.id}/{key}"
        await self._queue(_everyone(agent))
        record = await self._read(agent, chat) or ChatRecord("default")
        turn = transcript.user_turns(call.messages)
        if record.delivered and turn <= record.delivered:
            text = (
                f"The agent '{agent.name}' ({agent.type}) has one context for everything it was"
                " told: it cannot answer a turn anew. Send a new message instead."
            )
            raise Reject(409, "conversation_unsupported", text, retry=False)
        new = transcript.since(call.messages, record.delivered + 1)
        return await self._send(call, record, new, turn)

    async def _bind(self, agent: Agent, key: str) -> None:
        """An older agent belongs to the first chat that names it."""
        name, owner = f"legacy/{agent.id}", f"{self.caller}/{key}".encode()
        if await self.services.store.put_if_absent(name, owner, ttl=self._ttl):
            return
        if await self.services.store.read(name) != owner:
            text = (
                f"The agent '{agent.name}' ({agent.type}) has one context and is in use by another"
                " chat. Make the agent anew as letta_v1_agent, or set share_legacy."
            )
            raise Reject(409, "conversation_unsupported", text, retry=False)

    async def _send(
        self, call: Call, record: ChatRecord, messages: Sequence[Message], turn: int
    ) -> Call:
        """Write down what is under way before it is, and name it so that Letta can be asked."""
        system = transcript.system(call.messages)
        digest = transcript.digest(system)
        told = system if digest != record.system else ()
        otid = str(uuid.uuid4())
        *before, last = transcript.sendable([*told, *messages])
        sent = (*before, attrs.evolve(last, otid=otid))
        self._record = attrs.evolve(record, sending=turn, otid=otid, system=digest)
        await self._keep(attrs.evolve(self._record, system=record.system))
        return attrs.evolve(call, conversation=Conversation(record.conversation), input=sent)

    async def _queue(self, name: str) -> None:
        config = self.config
        lease = await self.services.store.lease(name, wait=config.wait_seconds, queue=config.queue)
        if lease is None:
            text = "This conversation is busy with other requests. Try again when they are done."
            raise Reject(409, "conversation_busy", text, retry=False)
        self._lease = lease

    async def _read(self, agent: Agent, chat: str) -> ChatRecord | None:
        self._chat = chat
        stored = await self.services.store.read(chat)
        if stored is None:
            return None
        record = ChatRecord.load(stored)
        if not record.otid:
            return record
        try:
            kept = await self.services.letta.kept(agent.id, record.conversation, record.otid)
        except Reject as exc:
            if exc.status == 404:
                return None
            raise
        return record.resolved(kept=kept)

    async def _keep(self, record: ChatRecord) -> None:
        await self.services.store.put(self._chat, record.dump(), ttl=self._ttl)

    @property
    def _ttl(self) -> float:
        return self.config.ttl_days * 86400


def chat_key(call: Call, headers: Sequence[str]) -> str:
    """The chat that the client names, by header or in the body; "" for none."""
    named: list[object] = [call.headers.get(header.lower()) for header in headers]
    named += [
        _named(call.body.get("conversation"), "id"),
        _named(call.body.get("metadata"), "chat_id"),
    ]
    return next((name for name in named if isinstance(name, str) and name), "")


def _named(value: object, field: str) -> object:
    return value.get(field) if isinstance(value, Mapping) else value


def _everyone(agent: Agent) -> str:
    """The name of an agent's one conversation for all, and of the queue for it."""
    return f"agent/{agent.id}"
