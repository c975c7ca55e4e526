"""Which conversation at Letta a request belongs to, and what of its history is new there.

Clients resend the whole history with each turn; an agent remembers, and gets what is new.
- With a chat key, a conversation is pinned for that key, agent and caller.
- Without, `stateless` feeds the transcript to a scratch conversation, deleted afterwards, and
  `agent` sends the last user message to one conversation that goes on.
- Older agent types have one context: one request at a time, one chat key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import attrs

from gateway.events import PIECES, Error, Event, Finish, TextDelta, ToolCallStart
from gateway.plugin import Agent, Call, Context, Model, Plugin, Services, Turn
from plugins.conversations import older_agents, transcript
from plugins.conversations.chat import ONGOING, PINNED, Chat, follow_up
from plugins.conversations.chat_key import chat_key, name_of
from plugins.conversations.chat_record import ChatRecord
from plugins.conversations.message_ids import MessageIds, is_passing, message_ids
from plugins.conversations.refusals import refuse_results, refuse_silence, said_of
from plugins.conversations.scratch import Scratch, summary_of
from plugins.conversations.settings import Config
from plugins.conversations.sweep import sweep_for_ever
from plugins.conversations.ui_tasks import is_task


class ConversationResolver(Plugin[Config]):
    """Decides where at Letta a request takes place, and what of it is sent."""

    needs = frozenset({"agent_resolver"})

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        self.services = services
        sweeping = asyncio.create_task(sweep_for_ever(services, self.config.scratch_minutes * 60))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        if self.config.mode == "stateless":
            return found
        # No request has a conversation to itself, which could carry anything.
        return [model.telling({"letta": {"carries": []}}) for model in found]

    def chat(self, call: Call) -> str:
        task = is_task(call, self.config.task_header)
        return "" if task else chat_key(call, self.config.chat_headers)

    def begin(self, context: Context) -> Turn:
        return ConversationTurn(self.config, self.services, context.caller.identity)


@attrs.define
class ConversationTurn(Turn):
    """One request's conversation."""

    config: Config
    services: Services
    caller: str
    passes = PIECES
    _chat: Chat | None = None
    _scratch: Scratch | None = None
    _ids: MessageIds | None = None
    _passing: bool = False

    async def prepare(self, call: Call) -> Call:
        agent = call.agent
        if agent is None:
            return call
        if not transcript.user_turns(call.messages) and not transcript.results(call.messages):
            refuse_silence()
        if is_task(call, self.config.task_header):
            return await self._task(call, agent)
        config, key = self.config, chat_key(call, self.config.chat_headers)
        self._ids = message_ids(call, config.parent_header, config.reply_header, key)
        self._passing = is_passing(call, key)
        if self._passing and (agent.older or config.mode == "agent"):
            return await self._ongoing(call, agent)  # one conversation for all who name none
        if agent.older:
            return await self._older(call, agent, key)
        if self._passing:
            return await self._passed(call, agent, key)
        if key:
            return await self._keyed(call, agent, key)
        if self.config.mode == "stateless":
            return await self._scratched(call, agent)
        return await self._ongoing(call, agent)

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, ToolCallStart) and event.client_side and self._scratch is not None:
            self._scratch.calls.append(event.call_id)
        if isinstance(event, Error) and self._chat is not None:
            self._chat.failed(event)
        return (event,)

    async def again(self, call: Call, ending: Finish | Error) -> Call | None:
        """A pinned conversation that somebody has deleted is begun anew from the history."""
        agent, chat = call.agent, self._chat
        if agent is None or chat is None:
            return None
        if isinstance(ending, Finish):  # another turn may want a further answer, which may fail
            chat.answered()
            return None
        if ending.code != "conversation_not_found":
            return None
        await chat.forget()
        call = attrs.evolve(call, answers=())
        if chat.name != _everyone(agent):
            call = await self._branch(call, agent, chat, self._ids)
            return self._indexed(call, agent) if self._passing else call
        lost = transcript.only_results(call.messages)  # whose calls went with it
        return None if lost else await self._tell(call, agent, chat, None)

    async def settle(self) -> None:
        try:
            if self._scratch is not None:
                await self._scratch.settle()
            if self._chat is not None:
                await self._chat.settle()
        finally:
            await self._leave()

    async def abandon(self) -> None:
        # What became of a chat's message is asked when the chat goes on: see Chat.resolved.
        if self._scratch is not None:
            self._scratch.abandon()
        await self._leave()

    async def _leave(self) -> None:
        for held in (self._scratch, self._chat):
            if held is not None:
                await held.leave()

    async def _task(self, call: Call, agent: Agent) -> Call:
        if agent.older or self.config.tasks == "empty":
            return attrs.evolve(call, answer=(TextDelta("{}", "task"), Finish()))
        return await self._scratched(call, agent)

    async def _scratched(self, call: Call, agent: Agent) -> Call:
        config, scratch = self.config, self._new_scratch(call, agent)
        answered = transcript.answered(call.messages)
        if place := await scratch.find(answered, wait=config.wait_seconds, queue=config.queue):
            said = await scratch.unheard(transcript.beside_results(call.messages))
        elif answered and transcript.only_results(call.messages):
            refuse_results(answered)
        else:
            said, place = said_of(call.messages), await scratch.make(call.settings)
        return attrs.evolve(scratch.taken(call, place), input=said)

    def _new_scratch(self, call: Call, agent: Agent) -> Scratch:
        ids, ttl = not call.reply.functions, self.config.scratch_minutes * 60
        self._scratch = Scratch(self.services, self.caller, agent, ttl, ids)
        return self._scratch

    async def _passed(self, call: Call, agent: Agent, key: str) -> Call:
        """A chain of responses. Who resends everything begins one with results for another."""
        if transcript.answered(call.messages):
            branches = await self._open(name_of(self.caller, agent, key)).read()
            if branches.answering(self._ids) is None:
                self._chat = None
                return await self._scratched(call, agent)
        return self._indexed(await self._keyed(call, agent, key), agent)

    def _indexed(self, call: Call, agent: Agent) -> Call:
        """By its calls a conversation is found again, whoever sends their results."""
        self._new_scratch(call, agent).kept = call.conversation.id if call.conversation else ""
        return call

    async def _ongoing(self, call: Call, agent: Agent) -> Call:
        """One conversation for all who name no chat: only the last user message is sent."""
        chat = self._open(_everyone(agent))
        await self._hold(chat, chat.name)
        return older_agents.anew(call) if agent.forgets else await self._continue(call, agent, chat)

    async def _continue(self, call: Call, agent: Agent, chat: Chat) -> Call:
        latest = (await chat.read()).latest
        record = latest and await chat.resolved(latest, agent.id, only=True)
        if returned := transcript.only_results(call.messages):
            return follow_up(call, record, returned)
        return await self._tell(call, agent, chat, record)

    async def _tell(self, call: Call, agent: Agent, chat: Chat, record: ChatRecord | None) -> Call:
        said = said_of(transcript.last_user(call.messages))
        if record is None:
            own = self.config.agent_conversation == "own" and not agent.older
            record = await chat.make(agent.id, ONGOING) if own else ChatRecord("default")
        return await chat.send(call, record, said, turn=0)

    async def _keyed(self, call: Call, agent: Agent, key: str) -> Call:
        chat, ids = self._open(name_of(self.caller, agent, key)), self._ids
        new = (await chat.read()).latest is None
        await self._hold(chat, chat.name)
        branches = await chat.read()
        returned = transcript.only_results(call.messages)
        here = branches.answering(ids) if returned else branches.to_go_on(ids)
        record = here and await chat.resolved(here, agent.id)
        if returned and (record is not None or transcript.results(call.messages)):
            return chat.follow_up(call, record, returned, ids)
        turn = transcript.user_turns(call.messages)
        if here is None or record is None:
            return await self._branch(call, agent, chat, ids)
        if call.thread.only_new:
            return await chat.go_on(call, record)
        first = record.first_new(turn, ids)
        if first is None and new and ids is None and turn <= here.delivered:
            # Of a chat's first requests all at once, the later ones go on where the first began.
            first = turn
        if first is None:
            return await self._branch(call, agent, chat, ids)
        said = said_of(transcript.since(call.messages, first))
        return await chat.send(call, record, said, turn, ids)

    async def _branch(self, call: Call, agent: Agent, chat: Chat, ids: MessageIds | None) -> Call:
        """A new conversation fed with the whole branch: a new chat, a regenerated or edited one."""
        said = said_of([message for message in call.messages if message.role != "system"])
        turn = transcript.user_turns(call.messages)
        ids = chat.branches.begun_with(turn, ids)
        record = await chat.make(agent.id, summary_of(chat.ttl) if self._passing else PINNED)
        return await chat.send(call, record, said, turn, ids)

    async def _older(self, call: Call, agent: Agent, key: str) -> Call:
        if not key or self.config.share_legacy or agent.forgets:
            return await self._ongoing(call, agent)
        chat, ids = self._open(name_of(self.caller, agent, key)), self._ids
        await older_agents.bind(self.services.store, agent, chat.name, ttl=chat.ttl)
        await self._hold(chat, _everyone(agent))
        latest = (await chat.read()).latest or ChatRecord("default")
        record = await chat.resolved(latest, agent.id, only=True) or ChatRecord("default")
        if returned := transcript.only_results(call.messages):
            return follow_up(call, record, returned)
        if call.thread.only_new:
            return await chat.go_on(call, record)
        turn = transcript.user_turns(call.messages)
        first = record.first_new(turn, ids)
        if first is None:
            older_agents.refuse_anew(agent)
        said = said_of(transcript.since(call.messages, first))
        return await chat.send(call, record, said, turn, ids)

    def _open(self, name: str) -> Chat:
        minutes, days = max(1.0, self.config.scratch_minutes), self.config.ttl_days
        self._chat = Chat(self.services, name, minutes * 60 if self._passing else days * 86400)
        return self._chat

    async def _hold(self, chat: Chat, queue: str) -> None:
        await chat.hold(queue, wait=self.config.wait_seconds, most=self.config.queue)


def _everyone(agent: Agent) -> str:
    """The name of an agent's one conversation for all, and of the queue for it."""
    return f"agent/{agent.id}"
