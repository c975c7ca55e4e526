"""Waiting for what nobody tells a test of: it is looked at until it is so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


PATIENCE = 20.0  # seconds; only a test that fails waits for so long


async def until(so: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_it_says(so: Callable[[], Awaitable[object]]) -> None:
    """As `until`, where it has to be asked for."""
    async with asyncio.timeout(PATIENCE):
        while not await so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
