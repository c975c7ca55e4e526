from __future__ import annotations

import json

from gateway.replay.as_json import report
from gateway.replay.recording import read
from gateway.replay.request import agent_of
from gateway.replay.timing import Cost
from tests.gateway.replay.playing import replayed


async def test_a_report():
    """All that was seen, whole, as JSON."""
    recording, rows = read("v1-plain-tok"), await replayed("v1-plain-tok")

    told = report(recording, agent_of(recording), rows, [Cost("step", 3, 1.5, 10)])

    assert json.loads(json.dumps(told)) == told
    first, *_, last = told["events"]
    assert first["letta"]["content"] == "word0 "
    assert first["decoded"][0]["event"] == "TextDelta"
    assert first["after"]["newline_reconstructor"] == first["decoded"]
    assert first["sent"].startswith("data: {")
    assert last["letta"] == "[DONE]"
    assert told["time"] == [{"step": "step", "events": 3, "microseconds": 1.5, "repetitions": 10}]
    assert "time" not in report(recording, agent_of(recording), rows, [])
