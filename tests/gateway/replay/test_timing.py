from __future__ import annotations

import loguru

from gateway.replay import timing
from gateway.replay.lane import standing
from gateway.replay.recording import read
from gateway.replay.request import agent_of
from gateway.replay.timing import costs
from tests.gateway.replay.playing import configured


async def test_costs(monkeypatch):
    """Every step is measured over all repetitions, on the events that it was given."""
    monkeypatch.setattr(timing, "REPETITIONS", 3)
    recording = read("v1-plain-tok")
    config = configured(None, ())
    async with standing(config.pipeline, recording, agent_of(recording), loguru.logger) as base:
        taken = {cost.step: cost for cost in await costs(base)}

    assert list(taken) == [step.id for step in config.pipeline]
    mapper = taken["reasoning_mapper"]
    assert (mapper.events, mapper.repetitions) == (10, 3)
    assert mapper.microseconds > 0
