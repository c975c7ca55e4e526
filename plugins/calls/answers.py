"""What the agent is told of the calls that it waits for: results, and why there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.plugin import Message, Pending, Text, ToolAnswer


MOVED_ON = "The user did not answer this call and has moved on. Do not wait for its result."
NOT_RUN = "Not run: the client takes one call at a time. Call again, alone, if it is still needed."
LOST = "Not run: the client never heard of this call. Call again, if it is still needed."
ANOTHER = "Not run: another tool has to be called first."


def answers(
    pending: Pending, ours: Collection[str], results: Mapping[str, Message]
) -> tuple[ToolAnswer, ...]:
    """What becomes of each call; `ours` are those that the client was given."""
    told: list[ToolAnswer] = []
    for each in pending.calls:
        result = results.get(each.id) if each.id in ours else None
        if result is None:
            told.append(_denial(each.id, MOVED_ON if each.id in ours else NOT_RUN))
        else:
            told.append(ToolAnswer(each.id, result.parts, ok=not result.failed))
    return tuple(told)


def denials(pending: Pending, why: str) -> tuple[ToolAnswer, ...]:
    """None of them has a result, and why."""
    return tuple(_denial(each.id, why) for each in pending.calls)


def _denial(call_id: str, why: str) -> ToolAnswer:
    return ToolAnswer(call_id, (Text(why),), ok=False)
