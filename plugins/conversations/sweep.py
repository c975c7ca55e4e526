"""Deletes scratch conversations that a crash, or a client that never came back, left behind."""

from __future__ import annotations

import asyncio
import time

from gateway.plugin import Reject, Services
from plugins.conversations.scratch import SUMMARY, ttl_of


EVERY_SECONDS = 3600.0

# A run may go on for long after its conversation was last written to.
GRACE_SECONDS = 3600.0


async def sweep_for_ever(services: Services, ttl: float) -> None:
    """At once and then every hour, as long as the gateway runs."""
    while True:
        try:
            swept = await sweep(services, time.time() - GRACE_SECONDS, ttl)
        except Reject as exc:
            services.logger.debug("old scratch conversations stay: {}", exc.message)
        else:
            if swept:
                services.logger.info("deleted {} old scratch conversations", swept)
        await asyncio.sleep(EVERY_SECONDS)


async def sweep(services: Services, now: float, ttl: float) -> int:
    """
    Delete every scratch conversation that is over by then (Unix seconds); how many.

    `ttl` is for those that do not say how long they are kept.
    """
    swept = 0
    for conversation in await services.letta.conversations(summary=SUMMARY):
        kept = ttl_of(conversation.summary, ttl)
        if kept is not None and conversation.used + kept < now:
            swept += await _deleted(services, conversation.id)
    return swept


async def _deleted(services: Services, conversation_id: str) -> bool:
    try:
        await services.letta.delete_conversation(conversation_id)
    except Reject as exc:  # that one stays must not keep the others
        services.logger.warning("{} stays: {}", conversation_id, exc.message)
        return False
    return True
