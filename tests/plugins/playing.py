"""A world to play random clients in: agents at a Letta, gateways that may be killed, and what
must be true whatever happens.

Every user message and every result has a text of its own, so that one can count how often
Letta was told it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Literal, Protocol, TypeAlias

import attrs
from letta_client import APIStatusError

from gateway.errors import Reject
from gateway.events import Error, Event, Finish
from gateway.letta.client import LettaAPI
from gateway.pipeline.exchange import Exchange
from gateway.store.memory import MemoryStore
from plugins.calls.leftovers import tidy
from plugins.calls.proxies import Lender, owner_of
from plugins.conversations.sweep import sweep
from tests.plugins.play_gateway import Gateway, Mode, Strategy, connected
from tests.plugins.player import Player, given, heard, text_of
from tests.plugins.tool_client import SCHEMA


# What may become of one request: nothing special; an answer of Letta's is cut, the first one
# or the second; the client leaves or the gateway is killed after so many events; or the
# gateway dies after so many operations of its store.
Trouble: TypeAlias = Literal["", "cut", "cut second", "leave", "kill", "die"]

# How a request may end. Anything else is a mistake.
KNOWN = {
    "stop",
    "tool_calls",
    "left",
    "killed",
    "upstream_model_refused",
    "conversation_busy",
    "tool_call_not_pending",
    "tool_results_missing",
}
KNOWN_OF_OLDER = {"conversation_unsupported"}
# And how if it is cut: Letta says how it failed after it has said that it did.
KNOWN_WHEN_CUT = {"upstream_incomplete", "upstream_model_error", "upstream_error"}
GOOD = {"stop", "tool_calls"}
REPLAYED = "[Result of the tool "
SAID = re.compile(r"m\d+ ")


class Place(Protocol):
    """A Letta to play at."""

    url: str

    async def rest(self, agents: Collection[str]) -> None:
        """Wait until no run of these goes on any more."""

    def cut(self, after: int, *, later: bool) -> Callable[[], None]:
        """
        Cut the next answer, or the one after that, after so many events.

        Returns:
            What undoes that, should none have come.
        """


@attrs.define
class World:
    """Agents, and gateways in front of them that have one store."""

    place: Place
    agents: Sequence[str]
    mode: Mode = "stateless"
    strategy: Strategy = "auto"
    store: MemoryStore = attrs.field(factory=MemoryStore)
    endings: Counter[str] = attrs.field(factory=Counter)
    places: dict[str, str] = attrs.field(factory=dict)
    """Where each player's conversation is, if it is kept."""
    gateways: list[Gateway] = attrs.field(factory=list)
    _why: str = ""
    """What was said when a request failed last."""
    _letta: Any = None
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def start(self) -> None:
        """Two gateways."""
        api: LettaAPI = await self._stack.enter_async_context(connected(self.place.url))
        self._letta = api
        self.gateways = [await self._started() for _ in range(2)]

    async def _started(self) -> Gateway:
        return await Gateway.start(self.place.url, self.store, self.mode, self.strategy)

    async def stop(self) -> None:
        """Stop them as one stops gateways: what goes on may come to its end."""
        await self.rest()
        for gateway in self.gateways:
            await gateway.stop()
        await self._stack.aclose()

    async def restart(self, which: int) -> None:
        """Stop one, and start another."""
        await self.rest()
        await self.gateways[which].stop()
        self.gateways[which] = await self._started()

    async def forget(self) -> None:
        """All that the store knew is lost."""
        self.store = MemoryStore()
        for which in range(len(self.gateways)):
            await self.restart(which)

    async def rest(self) -> None:
        """Wait until nothing goes on, look at what is to be deleted, and delete it."""
        while busy := [task for gateway in self.gateways for task in gateway.busy]:
            await asyncio.wait(busy)
        await self.place.rest(self.agents)
        for gateway in self.gateways:
            await self._delete(gateway)

    async def _delete(self, gateway: Gateway) -> None:
        doomed, gateway.api.doomed[:] = [*gateway.api.doomed], []
        for conversation in doomed:
            await self.check(conversation)
            await self._letta.delete_conversation(conversation)

    async def send(
        self, player: Player, trouble: Trouble = "", after: int = 0, through: int = 0
    ) -> str:
        """One request of this player's, through one of the gateways; how it ended."""
        cut = trouble in {"cut", "cut second"}
        undo = self.place.cut(after, later=trouble == "cut second") if cut else lambda: None
        try:
            ending = await self._ended(player, trouble, after, through)
        except Reject as reject:
            ending, self._why = reject.code, reject.message
        finally:
            undo()
        known = KNOWN | (KNOWN_WHEN_CUT if cut else set())
        assert ending in known | (KNOWN_OF_OLDER if player.older else set()), (ending, self._why)
        self.endings[ending] += 1
        player.answered = ending in GOOD
        if ending in GOOD:
            await self._checked(player)
        return ending

    async def _ended(self, player: Player, trouble: Trouble, after: int, through: int) -> str:
        gateway = self.gateways[through]
        match trouble:
            case "kill":
                exchange = await gateway.begin(player.call(), player.caller)
                await self._read(exchange, after)
                await exchange.segment.reader.aclose()
                return await self._killed(through)
            case "die":
                return await self._dies(player, after, through)
            case "leave":
                return await self._ask(gateway, player, after)
        return await self._ask(gateway, player)

    async def _ask(self, gateway: Gateway, player: Player, most: int | None = None) -> str:
        """Read an answer, or so many of its events and leave."""
        exchange = await gateway.begin(player.call(), player.caller)
        async with exchange:
            events = await self._read(exchange, most)
        if (asked := exchange.asked.call.conversation) is not None:
            player.asked = asked.id
            if asked.keep:
                self.places[player.name] = asked.id
        if exchange.ending is None:
            await self.rest()
            return "left"
        if isinstance(exchange.ending, Error):
            await self.rest()
            self._why = exchange.ending.message
            return exchange.ending.code
        player.messages.append(heard(events))
        assert isinstance(exchange.ending, Finish)
        return exchange.ending.reason

    async def _read(self, exchange: Exchange, most: int | None) -> list[Event]:
        events: list[Event] = []
        if most == 0:
            return events
        async for batch in exchange:
            events += batch
            if most is not None and len(events) >= most and exchange.ending is None:
                break
        return events

    async def _dies(self, player: Player, after: int, through: int) -> str:
        """Unless it has done its work before, the gateway dies at an operation of its store."""
        gateway = self.gateways[through]
        gateway.life.left = after
        history = [*player.messages]
        asking = asyncio.create_task(self._ask(gateway, player))
        dying = asyncio.create_task(gateway.life.ended.wait())
        await asyncio.wait({asking, dying}, return_when=asyncio.FIRST_COMPLETED)
        gateway.life.left = None
        if asking.done():
            dying.cancel()
            return await asking
        ending = await self._killed(through, asking)
        player.messages = history  # whatever it has read, the client never saw the end of it
        return ending

    async def _killed(self, which: int, *asking: asyncio.Task[str]) -> str:
        await self.gateways[which].kill(*asking)
        await self._delete(self.gateways[which])
        self.gateways[which] = await self._started()
        await self.rest()
        return "killed"

    async def _checked(self, player: Player) -> None:
        """What is true after each answer."""
        users, results = await self.told(player.asked, player.agent)
        player.delivered.update(player.given)
        for text in player.given:
            assert results[text] == 1, (text, results)
        whole = bool(player.key) or self.mode == "stateless"
        if player.older:  # it may know more, from before a restart
            assert [text for text in users if text in player.said] == player.said, users
        elif whole:
            assert users == player.said, (users, player.said)
        else:
            assert users.count(player.said[-1]) == 1, (users, player.said[-1])
        if whole:
            assert all(results[text] == 1 for text in player.delivered), (results, player.delivered)

    async def check(self, conversation: str, agent: str = "") -> None:
        """What is true of every conversation: nothing was told twice."""
        users, results = await self.told(conversation, agent)
        assert max(Counter(users).values(), default=0) <= 1, users
        assert max(results.values(), default=0) <= 1, results

    async def told(self, conversation: str, agent: str = "") -> tuple[list[str], Counter[str]]:
        """What Letta was told in a conversation: by users, and by their tools."""
        named = {"agent_id": agent} if conversation == "default" else {}
        listing = self._letta.client.conversations.messages.list(
            conversation, order="asc", limit=1000, **named
        )
        users: list[str] = []
        results: Counter[str] = Counter()
        async for message in listing:
            if message.message_type == "user_message":
                text = text_of(message.content)
                if text.startswith(REPLAYED):
                    results[text.partition("\n")[2]] += 1
                elif SAID.match(text):
                    users.append(text)
            elif message.message_type == "tool_return_message":
                results.update(
                    text
                    for each in message.tool_returns or ()
                    for text in given(each, text_of(each.tool_return))
                )
        return users, results

    async def leave_pending(self, player: Player, script: str) -> None:
        """Another program has the agent call a tool in this player's chat, and goes away."""
        with suppress(APIStatusError):  # it may wait for others already
            stream = await self._letta.client.conversations.messages.create(
                self.places[player.name],
                messages=[{"role": "user", "content": f"theirs {script}"}],
                client_tools=[{"name": "get_weather", "parameters": dict(SCHEMA)}],
                stream_tokens=True,
            )
            assert [chunk async for chunk in stream]

    async def swept(self) -> None:
        """Whatever was made for one request is deleted when it is old."""
        await sweep(self.gateways[0].services, float("inf"), 0)
        await self.rest()
        left = await self._letta.conversations(summary="letta-gateway: scratch")
        assert not left, left
        await self._proxies_gone()

    async def _proxies_gone(self) -> None:
        """No proxy is left, neither with an agent nor at Letta, whichever gateway made it."""
        lender = Lender(self.gateways[0].services, 0, 0)
        await tidy(lender, all_own=True)
        mine, proxies = await lender.owner(), self._letta.proxies
        assert not [each for each in await proxies.all() if owner_of(each.name) == mine]
        lent = await proxies.awaited()
        assert not [name for each in self.agents for name in lent[each] if owner_of(name) == mine]
