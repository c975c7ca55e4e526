from __future__ import annotations

import asyncio

import loguru
import pytest

from gateway.background import Background
from tests.gateway.lane import Broken, logged


async def nothing() -> None:
    pass


class TestBackground:
    async def test_it_waits_for_the_work(self):
        """What was begun is finished before the gateway stops."""
        done = []

        async def work() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            done.append(1)

        async with Background(loguru.logger) as background:
            background.spawn(work())
            background.spawn(work())
        assert done == [1, 1]

    async def test_it_waits_for_work_that_work_has_begun(self):
        """A turn that is put away may have a conversation to delete."""
        done = []

        async def inner() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            done.append("inner")

        async def outer() -> None:
            await asyncio.sleep(0)
            background.spawn(inner())

        async with Background(loguru.logger) as background:
            background.spawn(outer())
        assert done == ["inner"]

    async def test_a_failure_is_logged(self):
        """Nobody else would see it; the rest goes on."""
        done = []

        async def fail() -> None:
            raise Broken

        async def work() -> None:
            await asyncio.sleep(0)
            done.append(1)

        with logged() as lines:
            async with Background(loguru.logger) as background:
                background.spawn(fail())
                background.spawn(work())
        assert len(lines) == 1
        assert "work in the background failed" in lines[0]
        assert done == [1]

    async def test_what_takes_too_long_is_cancelled(self):
        """It is told so, and may still put things away."""
        log = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                log.append("put away")

        with logged() as lines:
            async with Background(loguru.logger, limit=0.01) as background:
                background.spawn(work())
        assert log == ["put away"]
        assert lines == []

    async def test_work_that_is_begun_too_late_does_not_hold_it_up(self):
        """It is cancelled as well."""

        async def endless() -> None:
            await asyncio.Event().wait()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                background.spawn(endless())

        async with asyncio.timeout(5), Background(loguru.logger, limit=0.01) as background:
            background.spawn(work())

    async def test_nothing_to_wait_for(self):
        """Then it does not wait."""
        async with Background(loguru.logger) as background:
            background.spawn(nothing())
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def test_an_error_of_the_block_passes(self):
        """The work is finished all the same."""
        done = []

        async def work() -> None:
            await asyncio.sleep(0)
            done.append(1)

        async def stop() -> None:
            async with Background(loguru.logger) as background:
                background.spawn(work())
                raise Broken

        with pytest.raises(Broken):
            await stop()
        assert done == [1]
