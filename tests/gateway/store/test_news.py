"""Who waits for news, and who is woken."""

from __future__ import annotations

import asyncio

from gateway.store.news import News


async def test_what_comes_while_it_is_read_is_not_missed():
    """News between the reading and the waiting wake as well."""
    news, there = News(), list[str]()

    async def read() -> list[str]:
        found = list(there)
        if not there:
            there.append("item")
            news.tell("key")
            await asyncio.sleep(0)
        return found

    async with asyncio.timeout(5):
        assert await news.of("key", read, wait=60) == ["item"]


async def test_nobody_waits_any_more():
    """A key that nobody waits for leaves nothing behind, however the wait ended."""
    news = News()

    async def nothing() -> list[str]:
        return []

    assert await news.of("key", nothing, wait=0.001) == []
    waiting = asyncio.create_task(news.of("key", nothing, wait=60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert news._waiting == {}
