"""Which conversation at Letta a request belongs to, and what of its history is new there.

OpenAI clients resend the whole history with each turn; an agent remembers, and gets what is new.

- With a chat key, a conversation is pinned for that key, agent and caller.
- Without, `stateless` feeds the transcript to a scratch conversation, deleted afterwards, and
  `agent` sends the last user message to one conversation that goes on.
- Older agent types have one context, whatever is named: one request at a time, one chat key.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal, NoReturn

import attrs
from attrs.validators import ge, gt

from gateway.events import Error, Event, Finish, TextDelta
from gateway.plugin import (
    Agent,
    Call,
    Context,
    Conversation,
    Message,
    Plugin,
    Reject,
    Services,
    Turn,
)
from plugins.conversations import older_agents, transcript
from plugins.conversations.chat import Chat
from plugins.conversations.chat_record import ChatRecord
from plugins.conversations.ui_tasks import is_task


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
        default=30.0,
        validator=ge(0),
        metadata={"help": "how long a request waits for a busy conversation"},
    )
    queue: int = attrs.field(
        default=8,
        validator=ge(0),
        metadata={"help": "how many requests may wait for one conversation"},
    )
    ttl_days: float = attrs.field(
        default=30.0,
        validator=gt(0),
        metadata={"help": "days without a request after which a chat is forgotten"},
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
    _chat: Chat | None = None
    _scratch: asyncio.Task[str] | None = None

    async def prepare(self, call: Call) -> Call:
        agent = call.agent
        if agent is None:
            return call
        if not transcript.user_turns(call.messages):
            _refuse_silence()
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

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Error) and self._chat is not None:
            self._chat.untaken = event.rolled_back or event.code == "conversation_busy"
        return (event,)

    async def again(self, call: Call, error: Error) -> Call | None:
        """A pinned conversation that somebody has deleted is begun anew from the history."""
        if error.code != "conversation_not_found" or call.agent is None or self._chat is None:
            return None
        await self._chat.forget()
        if self._chat.name == _everyone(call.agent):
            return await self._continue(call, call.agent, self._chat)
        return await self._branch(call, call.agent, self._chat)

    async def settle(self) -> None:
        try:
            if self._chat is not None:
                await self._chat.settle()
        finally:
            await self._leave()

    async def abandon(self) -> None:
        # What became of a chat's message is asked when the chat goes on: see Chat.resolved.
        await self._leave()

    async def _leave(self) -> None:
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            self.services.spawn(self._delete(scratch))
        if self._chat is not None:
            await self._chat.leave()

    async def _delete(self, scratch: asyncio.Task[str]) -> None:
        try:
            conversation = await scratch
        except Reject:
            return  # none was made
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
        said = _said(call.messages)
        create = self.services.letta.create_conversation(agent.id, summary=SCRATCH)
        # The client may leave meanwhile: what is made all the same has to be deleted.
        self._scratch = asyncio.create_task(create)
        place = Conversation(await asyncio.shield(self._scratch), keep=False)
        return attrs.evolve(call, conversation=place, input=said)

    async def _ongoing(self, call: Call, agent: Agent) -> Call:
        """One conversation for all who name no chat: only the last user message is sent."""
        chat = self._open(_everyone(agent))
        await self._hold(chat, chat.name)
        return await self._continue(call, agent, chat)

    async def _continue(self, call: Call, agent: Agent, chat: Chat) -> Call:
        said = _said(transcript.last_user(call.messages))
        record = await self._read(chat, agent)
        if record is None:
            own = self.config.agent_conversation == "own" and not agent.older
            create = self.services.letta.create_conversation
            record = ChatRecord(await create(agent.id, summary=ONGOING) if own else "default")
        return await self._send(call, chat, record, said, turn=0)

    async def _keyed(self, call: Call, agent: Agent, key: str) -> Call:
        chat = self._open(self._name(agent, key))
        new = await chat.stored() is None
        await self._hold(chat, chat.name)
        stored = await chat.stored()
        record = None if stored is None else await chat.resolved(stored, agent.id)
        if stored is None or record is None:
            return await self._branch(call, agent, chat)
        turn = transcript.user_turns(call.messages)
        # Of a chat's first requests all at once, the later ones go on where the first began.
        together = new and turn <= stored.delivered
        if turn <= record.delivered and not together:
            return await self._branch(call, agent, chat)
        said = _said(transcript.since(call.messages, min(turn, record.delivered + 1)))
        return await self._send(call, chat, record, said, turn)

    async def _branch(self, call: Call, agent: Agent, chat: Chat) -> Call:
        """A new conversation fed with the whole branch: a new chat, a regenerated or edited one."""
        said = _said([message for message in call.messages if message.role != "system"])
        conversation = await self.services.letta.create_conversation(agent.id, summary=PINNED)
        turn = transcript.user_turns(call.messages)
        return await self._send(call, chat, ChatRecord(conversation), said, turn)

    async def _older(self, call: Call, agent: Agent, key: str) -> Call:
        if not key or self.config.share_legacy:
            return await self._ongoing(call, agent)
        chat = self._open(self._name(agent, key))
        await older_agents.bind(self.services.store, agent, chat.name, ttl=chat.ttl)
        await self._hold(chat, _everyone(agent))
        record = await self._read(chat, agent) or ChatRecord("default")
        turn = transcript.user_turns(call.messages)
        if turn <= record.delivered:
            older_agents.refuse_anew(agent)
        said = _said(transcript.since(call.messages, record.delivered + 1))
        return await self._send(call, chat, record, said, turn)

    async def _send(
        self, call: Call, chat: Chat, record: ChatRecord, said: Sequence[Message], turn: int
    ) -> Call:
        system = transcript.system(call.messages)
        digest = transcript.digest(system)
        told = transcript.sendable(system) if digest != record.system else ()
        otid = await chat.send(record, turn, digest)
        sent = transcript.marked([*told, *said], otid)
        return attrs.evolve(call, conversation=Conversation(record.conversation), input=sent)

    def _open(self, name: str) -> Chat:
        self._chat = Chat(self.services, name, self.config.ttl_days * 86400)
        return self._chat

    async def _hold(self, chat: Chat, queue: str) -> None:
        await chat.hold(queue, wait=self.config.wait_seconds, most=self.config.queue)

    async def _read(self, chat: Chat, agent: Agent) -> ChatRecord | None:
        stored = await chat.stored()
        return None if stored is None else await chat.resolved(stored, agent.id)

    def _name(self, agent: Agent, key: str) -> str:
        # A key is whatever the client likes: of any length, and perhaps no text at all.
        digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
        return f"chat/{self.caller}/{agent.id}/{digest}"


def _said(messages: Sequence[Message]) -> tuple[Message, ...]:
    """What Letta is sent of these messages: it takes none without a word of the user's."""
    sent = transcript.sendable(messages)
    if not any(message.role == "user" for message in sent):
        _refuse_silence()
    return sent


def _refuse_silence() -> NoReturn:
    text = "'messages' must contain something new that is said with the role 'user'."
    raise Reject(400, "missing_user_message", text, param="messages")


def chat_key(call: Call, headers: Sequence[str]) -> str:
    """The chat that the client names, by header or in the body; "" for none."""
    named: list[object] = [call.headers.get(header.lower()) for header in headers]
    named += [
        _named(call.body.get("conversation"), "id"),
        _named(call.body.get("metadata"), "chat_id"),
    ]
    keys = (name for name in named if isinstance(name, str) and name)
    return next((key for key in keys if "{{" not in key), "")  # a template nobody filled in


def _named(value: object, field: str) -> object:
    return value.get(field) if isinstance(value, Mapping) else value


def _everyone(agent: Agent) -> str:
    """The name of an agent's one conversation for all, and of the queue for it."""
    return f"agent/{agent.id}"
