"""Random clients: hypothesis plays them, and looks for a story that goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.call import Message, Text
from tests.plugins.play_drawn import gateways, moments, players, scripts, seen, troubles
from tests.plugins.play_gateway import Mode, Strategy
from tests.plugins.player import Player, results_of
from tests.plugins.playing import GOOD, Place, Trouble, World


STEPS = "LETTA_GATEWAY_PLAY_STEPS"

# How many steps all plays have had, and how their requests ended.
COUNTED: Counter[str] = Counter()


class Play(RuleBasedStateMachine):
    """
    Clients that send, answer, answer half, answer twice, walk away and try again, through two
    gateways that are restarted and killed; a Letta whose answers break off.
    """

    open_place: Callable[[], Awaitable[tuple[Callable[[], Awaitable[None]], Place, Sequence[str]]]]
    """
    Gives what closes the place, the place, and its agents: one that makes several calls at
    once, one that makes one at a time, and one of an older type.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.numbers = 0
        self.steps = -1  # the beginning is none

    @invariant()
    def counts(self) -> None:
        """A step more."""
        self.steps += 1

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    @initialize(
        mode=st.sampled_from(["stateless", "stateless", "agent", "default"]),
        strategy=st.sampled_from(["auto", "auto", "auto", "proxy"]),
    )
    def begin(self, mode: Mode, strategy: Strategy) -> None:
        async def opened() -> None:
            self.closing, place, agents = await self.open_place()
            self.world = World(place, agents, mode, strategy)
            await self.world.start()

        self.runner.run(opened())
        several, one, older = self.world.agents
        self.players = [
            Player("ada", several, "chat-ada"),
            Player("bob", one, "chat-bob"),
            Player("eve", several, caller="eve"),
            Player("sam", one, caller="sam"),
            Player("old", older, "chat-old", older=True),
        ]

    @rule(who=players, script=scripts(), trouble=troubles, after=moments, through=gateways)
    def says(self, who: int, script: list[Any], trouble: Trouble, after: int, through: int) -> None:
        """Somebody says something new; if calls were waiting, they are not answered."""
        self.speak(self.players[who], script)
        self.run(self.world.send(self.players[who], trouble, after, through))

    def speak(self, player: Player, script: list[Any]) -> None:
        """Something that this player is about to say."""
        text = f"m{self.number()} !!{json.dumps({'steps': script})}!!"
        player.messages.append(Message("user", (Text(text),)))

    def waiting(self, least: int = 1) -> list[Player]:
        """Those who were asked to run so many calls."""
        return [player for player in self.players if len(player.waiting) >= least]

    @precondition(lambda self: self.waiting())
    @rule(who=players, trouble=troubles, after=moments, words=st.booleans(), through=gateways)
    def answers(self, who: int, trouble: Trouble, after: int, words: bool, through: int) -> None:
        """All results, with or without a word."""
        player = chosen(self.waiting(), who)
        player.messages += results_of(player, self.number())
        if words:
            player.messages.append(Message("user", (Text(f"m{self.number()} and this"),)))
        self.run(self.world.send(player, trouble, after, through))

    @precondition(lambda self: self.waiting(2))
    @rule(who=players, through=gateways)
    def answers_half(self, who: int, through: int) -> None:
        """A part of the results: refused, and nothing has happened."""
        player = chosen(self.waiting(2), who)
        player.messages += results_of(player, self.number())[:1]
        ending = self.run(self.world.send(player, through=through))
        # Not pending, if somebody else has been there in the meantime.
        assert ending in {"tool_results_missing", "tool_call_not_pending"}, ending
        del player.messages[-1]
        player.answered = True

    @precondition(lambda self: self.waiting())
    @rule(who=players, trouble=troubles, after=moments, through=gateways)
    def answers_twice(self, who: int, trouble: Trouble, after: int, through: int) -> None:
        """The same results once more, after they were taken."""
        player = chosen(self.waiting(), who)
        player.messages += results_of(player, self.number())
        if self.run(self.world.send(player)) in GOOD:
            twin = attrs.evolve(player, messages=player.messages[:-1])
            ending = self.run(self.world.send(twin, trouble, after, through))
            assert ending in {"tool_call_not_pending", "killed"}, ending

    @precondition(lambda self: self.waiting())
    @rule(who=players, through=gateways)
    def answers_twice_at_once(self, who: int, through: int) -> None:
        """The same results by two requests: one is taken."""
        player = chosen(self.waiting(), who)
        player.messages += results_of(player, self.number())
        twin = attrs.evolve(player, messages=[*player.messages])

        async def both() -> list[str]:
            first = self.world.send(player), self.world.send(twin, through=through)
            return await asyncio.gather(*first)

        endings = self.run(both())
        assert len(GOOD.intersection(endings)) <= 1, endings
        if not player.answered and twin.answered:
            self.players[self.players.index(player)] = twin

    @precondition(lambda self: self.waiting())
    @rule(who=players, through=gateways)
    def somebody_else_answers(self, who: int, through: int) -> None:
        """With ids that were given to another: refused."""
        player = chosen(self.waiting(), who)
        history = [*player.messages, *results_of(player, self.number())]
        thief = attrs.evolve(player, caller="thief", messages=history)
        # An older agent has one chat, and it is not the thief's.
        refused = "conversation_unsupported" if player.older else "tool_call_not_pending"
        assert self.run(self.world.send(thief, through=through)) == refused

    @precondition(lambda self: self.unanswered())
    @rule(who=players, trouble=troubles, after=moments, through=gateways)
    def tries_again(self, who: int, trouble: Trouble, after: int, through: int) -> None:
        """The same request, as no answer came to it."""
        self.run(self.world.send(chosen(self.unanswered(), who), trouble, after, through))

    def unanswered(self) -> list[Player]:
        """Those who may send their last request again."""
        return [player for player in self.players if self.may_try(player)]

    def may_try(self, player: Player) -> bool:
        # Without a chat key nobody can tell whether the one conversation that goes on has it.
        words = bool(player.messages) and player.messages[-1].role == "user"
        return not player.answered and not (words and not player.key and self.ongoing)

    @property
    def ongoing(self) -> bool:
        return self.world.mode != "stateless"

    def talkers(self) -> list[Player]:
        """Those who may take back what they have said, and say something else."""
        return [player for player in self.players if player.said and not player.older]

    @precondition(lambda self: self.talkers())
    @rule(
        who=players,
        turn=st.integers(1, 3),
        script=scripts(),
        trouble=seen,
        after=moments,
        through=gateways,
    )
    def edits(
        self, who: int, turn: int, script: list[Any], trouble: Trouble, after: int, through: int
    ) -> None:
        """One of the last turns is said otherwise, and what followed it is gone."""
        player = chosen(self.talkers(), who)
        turns = [i for i, message in enumerate(player.messages) if message.role == "user"]
        player.go_back(turns[-turn:][0])
        self.speak(player, script)
        self.run(self.world.send(player, trouble, after, through))

    @rule(script=scripts(), other=scripts(), through=gateways)
    def two_at_once(self, script: list[Any], other: list[Any], through: int) -> None:
        """Two clients of one agent at the same time."""
        pair = self.players[0], self.players[2]
        for player, steps in zip(pair, (script, other), strict=True):
            self.speak(player, steps)

        async def both() -> None:
            first, second = pair
            await asyncio.gather(self.world.send(first), self.world.send(second, through=through))

        self.run(both())

    @rule(forgetting=st.sampled_from([False, False, True]), which=gateways)
    def restart(self, forgetting: bool, which: int) -> None:
        """A gateway is stopped, and another started; or both, and their store is lost."""
        if not forgetting:
            self.run(self.world.restart(which))
            return
        self.run(self.world.forget())
        for player in self.players:
            if player.older:  # what it was told would be told again
                player.messages, player.answered = [], True
                player.delivered.clear()

    def idle(self) -> list[Player]:
        """Those with a chat in which nothing is under way."""
        chats = [player for player in self.players if player.name in self.world.places]
        quiet = [player for player in chats if player.answered and not player.waiting]
        return [player for player in quiet if not player.older]

    @precondition(lambda self: self.idle())
    @rule(who=players)
    def calls_left_behind(self, who: int) -> None:
        """Another program leaves calls in a chat."""
        steps = [{"tools": [{"name": "get_weather", "args": {}, "id": "call_x"}]}]
        script = f"!!{json.dumps({'steps': steps})}!!"
        self.run(self.world.leave_pending(chosen(self.idle(), who), script))

    def teardown(self) -> None:
        """Everybody can go on, and nothing is left behind."""
        if not hasattr(self, "world"):
            self.runner.close()
            return
        try:
            self.run(self.finale())
        finally:
            self.runner.run(self.world.stop())
            self.runner.run(self.closing())
            self.runner.close()
            COUNTED.update(self.world.endings, steps=self.steps)

    async def finale(self) -> None:
        for player in self.players:
            player.messages.append(Message("user", (Text(f"m{self.number()} bye"),)))
            assert await self.world.send(player) == "stop"
        await self.world.rest()
        for player in self.players:
            if player.name in self.world.places:
                await self.world.check(self.world.places[player.name], player.agent)
        await self.world.swept()

    def run(self, work: Any) -> Any:
        """Let it happen, and wait until nothing goes on."""

        async def rested() -> Any:
            done = await work
            await self.world.rest()
            return done

        return self.runner.run(rested())


def chosen(among: Sequence[Player], who: int) -> Player:
    return among[who % len(among)]


def settings(default: int, length: int, *, shrink: bool = True) -> hypothesis.settings:
    """At most so many steps in all, unless the environment names another number."""
    phases = [hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrink else ())]
    steps = int(os.environ.get(STEPS) or default)
    return hypothesis.settings(
        max_examples=max(1, steps // length),
        stateful_step_count=length,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def play(machine: type[Play], steps: int, length: int, *, shrink: bool = True) -> None:
    """Play stories of such a length, and print what there was for whoever asks for many."""
    COUNTED.clear()
    run_state_machine_as_test(machine, settings=settings(steps, length, shrink=shrink))
    print(dict(COUNTED))  # noqa: T201
