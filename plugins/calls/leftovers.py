"""Deletes proxies that nobody uses, and those that a crash left with an agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from gateway.plugin import Proxy, Reject
from plugins.calls.proxies import Lender, owner_of


EVERY_SECONDS = 3600.0

# Another gateway's store may hold other leases: its proxies are left alone for so long.
IDLE_SECONDS = 3600.0

LAST_SECONDS = 5.0


@asynccontextmanager
async def tidied(lender: Lender) -> AsyncIterator[None]:
    """Tidy up at the start, every hour, and at the end if there is anything of one's own."""
    tidying = asyncio.create_task(_for_ever(lender))
    try:
        yield
    finally:
        tidying.cancel()
        await asyncio.gather(tidying, return_exceptions=True)
        if not lender.idle:
            await _last(lender)


async def tidy(lender: Lender, *, all_own: bool) -> int:
    """
    Delete what has not been used for long, or all of one's own; how many.

    What an agent has been lent at this moment stays.
    """
    found = await lender.services.letta.proxies.all()
    if not found:
        return 0
    owner, before = await lender.owner(), time.time() - IDLE_SECONDS
    old = [
        proxy
        for proxy in found
        if proxy.used < before or (all_own and owner_of(proxy.name) == owner)
    ]
    if not old:
        return 0
    async with lender.deleting() as alone:
        return await _deleted(lender, old) if alone else 0


async def _deleted(lender: Lender, old: Sequence[Proxy]) -> int:
    lent = await _taken_back(lender, {proxy.name for proxy in old})
    unused = [proxy for proxy in old if proxy.name not in lent]
    for proxy in unused:
        await lender.services.letta.proxies.delete(proxy.id)
    return len(unused)


async def _taken_back(lender: Lender, names: Collection[str]) -> set[str]:
    """Take them back from every agent that nobody holds; those that stay."""
    lent = set[str]()
    for agent_id, awaited in (await lender.services.letta.proxies.awaited()).items():
        left = {name for name in awaited if name in names}
        if not left:
            continue
        lease = await lender.held(agent_id)
        if lease is None:
            lent |= left
            continue
        try:
            for owner in {owner_of(name) for name in left}:
                await lender.return_to(agent_id, owner)
        finally:
            await lease.release()
    return lent


async def _for_ever(lender: Lender) -> None:
    starting = True
    while True:
        await _noted(lender, all_own=starting)
        starting = False
        await asyncio.sleep(EVERY_SECONDS)


async def _noted(lender: Lender, *, all_own: bool) -> None:
    logger = lender.services.logger
    try:
        deleted = await tidy(lender, all_own=all_own)
    except Reject as exc:
        logger.debug("proxies of tools may be left at Letta: {}", exc.message)
    else:
        if deleted:
            logger.info("deleted {} proxies of tools", deleted)


async def _last(lender: Lender) -> None:
    try:
        async with asyncio.timeout(LAST_SECONDS):
            await _noted(lender, all_own=True)
    except TimeoutError:
        lender.services.logger.warning("proxies of tools are left until the next start")
