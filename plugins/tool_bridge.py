"""The client's tools: the agent calls them, the client runs them, the agent goes on.

They travel as Letta's client-side tools, or as proxies where the agent or the server does not
know those: see `plugins.calls.ways`. What the client was given to run is kept per
conversation; what the agent really waits for is asked of Letta before anything is answered.
An agent is never left waiting: whoever moves on denies what is pending, in the same request
as the new message, also where another program left it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext

import attrs
from attrs.validators import ge, gt

from gateway.events import PIECES, Error, Event, Finish, ToolArgsDelta, ToolCallStart
from gateway.plugin import (
    Call,
    Context,
    Message,
    Model,
    Pending,
    Plugin,
    Reject,
    Services,
    Text,
    Turn,
)
from plugins.calls.answers import ANOTHER, LOST, MOVED_ON, answers, denials
from plugins.calls.earlier import pending_after
from plugins.calls.ids import marked
from plugins.calls.leftovers import tidied
from plugins.calls.names import Names
from plugins.calls.pending import PendingCalls
from plugins.calls.proxies import Lender
from plugins.calls.ways import Strategy, Way, Ways
from plugins.conversations import transcript
from plugins.conversations.refusals import refuse_part, refuse_results


HONOURED = frozenset({"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"})

GO_ON = "The results of your tool calls are above. Go on from there."

NOTHING = Pending("", ())

# After these it is not known what became of the answers: their run may still go on.
OPEN = frozenset({"conversation_busy", "upstream_error", "upstream_incomplete", "upstream_timeout"})


@attrs.frozen
class Config:
    """Settings of `tool_bridge`."""

    pending_minutes: float = attrs.field(
        default=60.0,
        validator=gt(0),
        metadata={"help": "minutes for which the client may answer a call"},
    )
    strategy: Strategy = attrs.field(
        default="auto",
        metadata={
            "help": "client (Letta's client-side tools), proxy (tools that the agent is lent, one"
            " request at a time) or auto (as the agent and the server can)"
        },
    )
    wait_seconds: float = attrs.field(
        default=60.0,
        validator=ge(0),
        metadata={"help": "by proxy: how long a request waits for an agent that another has"},
    )
    queue: int = attrs.field(
        default=32,
        validator=ge(0),
        metadata={"help": "by proxy: how many requests may wait for one agent"},
    )


class ToolBridge(Plugin[Config]):
    """Lets the agent call the client's tools."""

    needs = frozenset({"agent_resolver", "conversation_resolver"})

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        config, self.services = self.config, services
        lender = Lender(services, config.wait_seconds, config.queue)
        self.ways = Ways(services, config.strategy, lender)
        async with nullcontext() if config.strategy == "client" else tidied(lender):
            yield

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        return [self._told(model) for model in found]

    def _told(self, model: Model) -> Model:
        can = self.config.strategy != "client" or not model.agent.older
        return model.telling({"letta": {"client_tools": can}})

    def begin(self, context: Context) -> Turn:
        ttl = self.config.pending_minutes * 60
        return BridgeTurn(self.services, context.caller.identity, ttl, self.ways)


@attrs.define
class BridgeTurn(Turn):
    """The calls of one request: those that it answers, and those that the agent makes."""

    services: Services
    caller: str
    ttl: float
    ways: Ways
    passes = PIECES
    _way: Way | None = None
    _place: str = ""
    _names: Names = attrs.Factory(Names)
    _parallel: bool = True
    _known: PendingCalls | None = None
    _over: bool = False
    _shown: dict[str, str] = attrs.field(factory=dict)
    _withheld: set[str] = attrs.field(factory=set)

    async def prepare(self, call: Call) -> Call:
        if call.agent is None or call.conversation is None:
            return call
        self._way = await self.ways.choose(call.agent)
        if self._way is None:
            return call
        await self._way.enter()
        self._place = _place(call)
        self._parallel = call.parallel and not call.reply.functions
        if call.agent.forgets:  # it is told everything, and waits for nothing
            return await self._offered(call, self._way)
        keep = call.conversation.keep
        if returned := _returned(call.messages, ids=not keep):
            call = await self._with_results(call, returned)
        elif keep:
            call = await self._moved_on(call)
        return await self._offered(call, self._way)

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case ToolCallStart(call_id, name, True):
                return self._called(call_id, name)
            case ToolArgsDelta(call_id, json) if call_id in self._shown and self._way:
                return self._way.argued(self._shown[call_id], json)
            case ToolArgsDelta(call_id) if call_id in self._withheld:
                return ()
            case Error():
                self._over = event.code not in OPEN
        return (event,)

    def flush(self) -> Iterable[Event]:
        return self._way.flush() if self._way else ()

    async def again(self, call: Call, ending: Finish | Error) -> Call | None:
        self._place = _place(call)  # the conversation may be another one by now
        if isinstance(ending, Finish):
            if not call.must_call:
                return None
            others = denials(await self._pending(call), ANOTHER)
            return attrs.evolve(call, input=(_insisting(call),), answers=others)
        if ending.code == "tool_call_not_pending":
            self._known = None
            await self.services.store.take(self._place)
        if ending.code != "pending_approval" or call.answers:
            return None
        left = denials(await self._pending(call), MOVED_ON)
        return attrs.evolve(call, answers=left) if left else None

    async def settle(self) -> None:
        try:
            if self._shown:
                shown = {shown: call_id for call_id, shown in self._shown.items()}
                await self._write(PendingCalls(self.caller, shown))
            elif self._known is not None:
                await self.services.store.take(self._place)
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        try:
            if self._over and self._known is not None:
                await self._write(attrs.evolve(self._known, sent=0.0))
        finally:
            if self._way is not None:
                await self._way.leave()

    async def _offered(self, call: Call, way: Way) -> Call:
        ignored = tuple(name for name in call.reply.ignored if name not in HONOURED)
        call = attrs.evolve(call, reply=attrs.evolve(call.reply, ignored=ignored))
        if not call.tools or call.choice.mode == "none":
            return call
        self._names = await way.offer(call.tools)
        tools = tuple(attrs.evolve(t, name=self._names.there(t.name)) for t in call.tools)
        call = attrs.evolve(call, offered=tools, lent=way.lends)
        if call.choice.mode != "required":
            return call
        wanted = [t.name for t in call.tools if call.choice.name in {None, t.name}]
        must = frozenset(self._names.there(name) for name in wanted)
        call = attrs.evolve(call, must_call=must)
        return attrs.evolve(call, input=(*call.input, _insisting(call)))

    async def _moved_on(self, call: Call) -> Call:
        """Something new is said: what is known to be pending is denied with it."""
        if (known := await self._stored()) is None:
            return call
        pending = await self._pending(call, known)
        await self.services.store.take(self._place)
        return attrs.evolve(call, answers=denials(pending, MOVED_ON))

    async def _with_results(self, call: Call, returned: Sequence[Message]) -> Call:
        """All calls of a step are answered in one request: Letta takes no other."""
        known, spoken = await self._given(), transcript.beside_results(call.messages)
        pending, strangers = await self._pending(call, known), known.strangers(returned)
        awaited, results = known.awaited(pending), known.results(returned)
        if strangers or not (awaited or known.answering):
            if not spoken:
                refuse_results(strangers or returned)
            return await self._moved_on(call)
        missing = [here for here, there in awaited.items() if there not in results]
        if missing and not spoken:
            refuse_part(missing)
        if not awaited:  # Letta has the results, and what the agent made of them was lost
            self._known = known
            said = (*call.input, Message("system", (Text(GO_ON),)))
            return attrs.evolve(call, input=said, answers=denials(pending, LOST))
        # Nobody may see what becomes of it.
        await self._write(attrs.evolve(known, answering=pending.request, sent=time.time()))
        return attrs.evolve(call, answers=answers(pending, set(awaited.values()), results))

    async def _given(self) -> PendingCalls:
        """What this client was given to run; nothing, if that was another."""
        known = await self._stored()
        return known if known and known.owner == self.caller else PendingCalls(self.caller, {})

    async def _stored(self) -> PendingCalls | None:
        stored = await self.services.store.read(self._place)
        return None if stored is None else PendingCalls.load(stored)

    async def _write(self, known: PendingCalls) -> None:
        self._known = known
        await self.services.store.put(self._place, known.dump(), ttl=self.ttl)

    async def _pending(self, call: Call, known: PendingCalls | None = None) -> Pending:
        """What the agent waits for; if that is being answered, after the end of it."""
        if call.agent is None or call.conversation is None:
            return NOTHING
        agent_id, place, letta = call.agent.id, call.conversation.id, self.services.letta
        try:
            if known is not None and known.answering:
                pending = await pending_after(letta, agent_id, place, known)
            else:
                pending = await letta.pending(agent_id, place)
        except Reject as exc:
            if exc.status == 404:  # the conversation was deleted
                return NOTHING
            raise
        return pending or NOTHING

    def _called(self, call_id: str, name: str) -> Iterable[Event]:
        if self._shown and not self._parallel:
            self._withheld.add(call_id)
            return ()
        shown, here = marked(call_id), self._names.here(name)
        self._shown[call_id] = shown
        if self._way is not None:
            self._way.called(shown, here)
        return (ToolCallStart(shown, here, client_side=True),)


def _place(call: Call) -> str:
    agent, conversation = call.agent, call.conversation
    return f"{agent.id}/{conversation.id}" if agent and conversation else ""


def _returned(messages: Sequence[Message], *, ids: bool) -> Sequence[Message]:
    """The results in a request; where they need `ids`, those that have one."""
    return transcript.answered(messages) if ids else transcript.results(messages)


def _insisting(call: Call) -> Message:
    """Letta cannot force a call, so the agent is asked for it."""
    names = " or ".join(sorted(call.must_call))
    return Message("system", (Text(f"Answer by calling the tool {names} now, and nothing else."),))
