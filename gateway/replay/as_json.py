"""A replay for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from gateway.call import Agent
from gateway.events import Event
from gateway.replay.recording import Recording
from gateway.replay.rows import Row, Rows
from gateway.replay.timing import Cost


def report(recording: Recording, agent: Agent, rows: Rows, costs: Sequence[Cost]) -> dict[str, Any]:
    """All that was seen, and what it cost if that was measured."""
    told: dict[str, Any] = {
        "recording": recording.name,
        "truncated": recording.truncated,
        "agent_type": agent.type,
        "status": rows.status,
        "steps": list(rows.steps),
        "failed": list(rows.failed),
        "broken": rows.broken,
        "events": [_row(row, rows.steps) for row in rows.rows],
    }
    return {**told, "time": [attrs.asdict(cost) for cost in costs]} if costs else told


def _row(row: Row, steps: Sequence[str]) -> dict[str, Any]:
    decoded, *after = row.stages
    return {
        "letta": _frame(row),
        "decoded": [_event(event) for event in decoded],
        "after": {
            step: [_event(each) for each in out] for step, out in zip(steps, after, strict=True)
        },
        "sent": row.wire.decode(),
    }


def _frame(row: Row) -> Any:
    if row.block is None:
        return None
    return "[DONE]" if row.block.done else row.block.frame


def _event(event: Event) -> dict[str, Any]:
    return {"event": type(event).__name__, **attrs.asdict(event)}
