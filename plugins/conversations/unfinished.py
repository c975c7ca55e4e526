"""What became of a message whose run's end the gateway has not seen.

To ask Letta whether it has kept it is not enough: the run may go on, and keep it a moment
later. So it is cancelled first. Letta tells of the end of a run that completed or failed, but
not of when one that was cancelled has stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from gateway.plugin import Letta
from plugins.conversations.chat_record import Attempt, ChatRecord
from plugins.conversations.refusals import refuse_busy


# A message may be on its way for so long. Where there is no other conversation to go on in, a
# run that was cancelled is thought to have stopped by then.
SETTLE_SECONDS = 5.0

# How long to wait for the end of a run that has just been cancelled.
CANCEL_SECONDS = 2.0

POLL_SECONDS = 0.2

CANCELLED = "cancelled"


async def found(letta: Letta, record: ChatRecord, agent_id: str) -> ChatRecord | None:
    """
    The record with what Letta has kept of the turns tried.

    None if that may still change: then another conversation is told them.
    """
    over = all(attempt.over for attempt in record.attempts)
    if not over and await _going(letta, agent_id, record.conversation):
        return None
    if attempt := await _kept(letta, record, agent_id):
        return record.kept(attempt)
    return record.untaken() if over or time.time() >= _settled_at(record) else None


async def found_at_last(letta: Letta, record: ChatRecord, agent_id: str) -> ChatRecord:
    """
    The same where there is no other conversation: it is waited for.

    Raises:
        Reject: A run goes on.
    """
    over = all(attempt.over for attempt in record.attempts)
    until = 0.0 if over else _settled_at(record)
    while True:
        going = {} if over else await _going(letta, agent_id, record.conversation)
        running = _running(going)
        attempt = await _kept(letta, record, agent_id)
        if attempt and not running:
            return record.kept(attempt)
        if time.time() >= until:
            if running:
                refuse_busy()
            return record if going else record.untaken()
        await asyncio.sleep(POLL_SECONDS)


async def _going(letta: Letta, agent_id: str, conversation: str) -> Mapping[str, str]:
    """Cancel what goes on in a conversation; the runs that may go on all the same."""
    going = await letta.unsettled(agent_id, conversation)
    running = _running(going)
    if not running or conversation == "default":  # which others speak to, too
        return going
    await letta.cancel(agent_id, running)
    until = time.time() + CANCEL_SECONDS
    while going and time.time() < until:
        await asyncio.sleep(POLL_SECONDS)
        going = await letta.unsettled(agent_id, conversation)
    return going


def _running(going: Mapping[str, str]) -> Sequence[str]:
    return [run for run, status in going.items() if status != CANCELLED]


async def _kept(letta: Letta, record: ChatRecord, agent_id: str) -> Attempt | None:
    """The last of the turns tried that Letta has kept."""
    for attempt in reversed(record.attempts):
        if await letta.kept(agent_id, record.conversation, attempt.otid):
            return attempt
    return None


def _settled_at(record: ChatRecord) -> float:
    return record.attempts[-1].at + SETTLE_SECONDS
