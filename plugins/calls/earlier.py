"""What the agent waits for after an answer to its calls of which the gateway saw no end.

That answer may still be on its way to Letta, or its run may go on: to answer once more
before that is known would tell the agent the same results twice.
"""

from __future__ import annotations

import asyncio
import time

from gateway.plugin import Letta, Pending
from plugins.calls.pending import PendingCalls
from plugins.conversations.refusals import refuse_busy


# A request that Letta has taken nothing of by then will not arrive any more.
SETTLE_SECONDS = 5.0

# How long to wait for a run that goes on: in an agent's own conversation it is not cancelled.
RUN_SECONDS = 20.0

POLL_SECONDS = 0.1

CANCELLED = "cancelled"


async def pending_after(
    letta: Letta, agent_id: str, conversation: str, known: PendingCalls
) -> Pending | None:
    """
    What the agent waits for now that the answer to `known` has come to its end.

    Raises:
        Reject: It goes on.
    """
    until = time.time() + RUN_SECONDS
    while True:
        going = await letta.unsettled(agent_id, conversation)
        running = [run for run, status in going.items() if status != CANCELLED]
        if running and conversation != "default":  # which others speak to, too
            await letta.cancel(agent_id, running)
        pending = await letta.pending(agent_id, conversation)
        taken = pending is None or pending.request != known.answering
        if not running and (taken or time.time() >= known.sent + SETTLE_SECONDS):
            return pending
        if running and time.time() >= until:
            refuse_busy()
        await asyncio.sleep(POLL_SECONDS)
