"""Starting runs, and seeing them through to their end."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import attrs

from gateway.testing import recordings
from gateway.testing.fakeletta import failures, frames, modern, older
from gateway.testing.fakeletta.asked import Asked
from gateway.testing.fakeletta.failures import Failure
from gateway.testing.fakeletta.replies import refuse
from gateway.testing.fakeletta.state import Conversation, FakeAgent, Run, State
from gateway.testing.fakeletta.turn import Cancelled, Turn


_BUSY = (
    "CONFLICT: Cannot send a new message: Another request (run_id={}) is currently being "
    "processed for this conversation. Please wait for it to complete."
)
_NO_REDIS = (
    "INTERNAL_SERVER_ERROR: Background streaming requires Redis to be running. "
    "Please ensure Redis is properly configured."
)


@attrs.frozen
class Place:
    """Where a turn takes place: an agent, and one of its conversations if one is named."""

    agent: FakeAgent
    conversation: Conversation | None = None
    locked: bool = False
    """Whether a second stream at the same time is refused."""

    @property
    def key(self) -> str:
        """What is locked."""
        return self.conversation.id if self.conversation else self.agent.id


@attrs.define
class Runner:
    """Runs turns as tasks of their own: no reader can stop them by leaving."""

    state: State
    _tasks: set[asyncio.Task[None]] = attrs.Factory(set)
    _by_otid: dict[tuple[str, ...], Run] = attrs.Factory(dict)

    def stream(self, place: Place, asked: Asked) -> Run:
        """
        Start a run and give it at once, to be read.

        Raises:
            Refusal: The conversation is busy, or the server cannot do it.
        """
        if same := self._retried(place, asked):
            return same
        self._check(place, asked)
        turn = self._turn(place, asked)
        if place.locked and self.state.redis:
            self.state.locks[place.key] = turn.run
        if asked.pings:
            turn.run.put(frames.ping(turn.run.id))
        task = asyncio.create_task(self._play(turn, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return turn.run

    async def whole(self, place: Place, asked: Asked) -> dict[str, Any]:
        """
        Run a turn to its end and give the answer as one JSON body.

        Raises:
            Failure: The run fails.
        """
        self._check_model(asked)
        turn = self._turn(place, asked)
        try:
            stop = await _loop(turn)
        except Failure as failure:
            turn.run.settle("failed", failure.stop)
            raise
        finally:
            turn.run.close()
        turn.run.settle("completed", stop)
        return {
            "messages": turn.messages,
            "stop_reason": frames.stop(stop),
            "usage": turn.sums.frame,
            "logprobs": None,
            "turns": None,
        }

    def known(self, place: Place, run_id: str | None, otid: str | None) -> Run | None:
        """The conversation's run with this id, or with a message of this `otid`."""
        if run_id is not None:
            return self.state.runs.get(run_id)
        found = (run for key, run in self._by_otid.items() if key[0] == place.key and otid in key)
        return next(found, None)

    async def stop(self) -> None:
        """Stop everything that runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _retried(self, place: Place, asked: Asked) -> Run | None:
        """A background request that is sent again only reads what the first one began."""
        if not (asked.background and asked.otids and place.locked):
            return None
        return self._by_otid.get((place.key, *asked.otids))

    def _check(self, place: Place, asked: Asked) -> None:
        self._check_model(asked)
        busy = self.state.locks.get(place.key) if place.locked else None
        if busy:
            raise refuse(409, _BUSY.format(busy.id), run_id=busy.id)
        if asked.background and not self.state.redis:
            raise refuse(503, _NO_REDIS)

    def _check_model(self, asked: Asked) -> None:
        if asked.model is not None and asked.model not in self.state.models:
            raise refuse(404, f"NOT_FOUND: Handle {asked.model} not found, must be one of []")

    def _turn(self, place: Place, asked: Asked) -> Turn:
        agent, conversation = place.agent, place.conversation
        if not self.state.client_tools:
            asked = attrs.evolve(asked, client_tools=())
        run = Run(
            agent=agent,
            conversation_id=conversation.id if conversation else None,
            background=asked.background,
        )
        if agent.recording:
            run.id = _recorded_run(agent.recording.data) or run.id
        self.state.add_run(run)
        if asked.background and asked.otids:
            self._by_otid[place.key, *asked.otids] = run
        own = conversation.context if conversation and not agent.older else agent.context
        window = own.window[:1] if agent.autoclear else list(own.window)
        return Turn(agent, own, run, asked, self.state.model, window)

    async def _play(self, turn: Turn, place: Place) -> None:
        try:
            if turn.agent.recording:
                await _replay(turn)
            else:
                turn.finish(await _loop(turn))
        except Cancelled:
            turn.cancelled()
        except Failure as failure:
            turn.fail(failure)
        except Exception as error:
            turn.fail(failures.refused(f"The script failed: {error!r}"))
            raise
        finally:
            # The lock of an agent's own conversation outlives a cancelled run by five minutes.
            stays = turn.run.status == "cancelled" and place.conversation is None
            if self.state.locks.get(place.key) is turn.run and not stays:
                del self.state.locks[place.key]
            turn.run.close()


async def _loop(turn: Turn) -> str:
    return await (older.play(turn) if turn.older else modern.play(turn))


async def _replay(turn: Turn) -> None:
    for block in recordings.blocks(turn.agent.recording.data if turn.agent.recording else b""):
        await asyncio.sleep(0)
        if turn.run.status == "cancelled":
            raise Cancelled
        turn.run.put_block(block)
    turn.run.settle("completed", "end_turn")


def _recorded_run(data: bytes) -> str | None:
    found = re.search(rb'"run_id":"(run-[0-9a-f-]{36})"', data)
    return found[1].decode() if found else None
