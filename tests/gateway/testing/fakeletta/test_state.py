"""Agents, conversations and runs."""

from __future__ import annotations

import asyncio

from gateway.testing.fakeletta.state import FakeAgent, Run, State, cancel


AGENT = FakeAgent(name="Milo")


def test_older_types() -> None:
    """Only the types of today have conversations of their own."""
    types = ("letta_v1_agent", "sleeptime_agent", "memgpt_agent", "react_agent")
    older = [FakeAgent(name="x", type=each).older for each in types]
    assert older == [False, False, True, True]


def test_runs_are_bounded() -> None:
    """Runs that are over are forgotten, the oldest first; others never."""
    state, going = State(), Run(agent=AGENT)
    state.add_run(going)
    for _ in range(400):
        run = Run(agent=AGENT)
        run.close()
        state.add_run(run)
    assert len(state.runs) <= 257
    assert going.id in state.runs


def test_a_run_is_numbered_in_the_background() -> None:
    """Only a background run's messages are numbered, errors included."""
    for background, expected in ((True, 1), (False, None)):
        run = Run(agent=AGENT, background=background)
        run.put({"seq_id": None})
        assert (b'"seq_id":null' in run.blocks[0]) is (expected is None)


async def test_more() -> None:
    """A reader waits for the next block, for the end, or for so long."""
    run = Run(agent=AGENT)
    assert not await run.more(0, 0.001)
    waiting = asyncio.create_task(run.more(0, None))
    await asyncio.sleep(0)
    run.put({})
    assert await waiting
    waiting = asyncio.create_task(run.more(1, None))
    await asyncio.sleep(0)
    run.close()
    assert await waiting


def test_cancelled_stays_cancelled() -> None:
    """A cancelled run stays so; one that is over cannot be cancelled."""
    run, done = Run(agent=AGENT), Run(agent=AGENT)
    cancel(run)
    run.settle("completed", "end_turn")
    done.settle("completed", "end_turn")
    cancel(done)
    assert (run.status, done.status) == ("cancelled", "completed")


def test_last() -> None:
    """Redis remembers an agent's newest run, over or not."""
    for redis in (True, False):
        state, run = State(redis), Run(agent=AGENT)
        state.add_run(run)
        assert state.last(AGENT) is (run if redis else None)
