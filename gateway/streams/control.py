"""How the processes of a gateway tell each other to stop a stream: a log in the store for each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from gateway.errors import StoreError
from gateway.services import Store


if TYPE_CHECKING:
    from loguru import Logger

# How long a log is there that nobody hears, and how often who hears it says that he does.
TTL_SECONDS = 3600.0
HEAR_SECONDS = 60.0
PAUSE_SECONDS = 1.0
LARGEST = 100_000


@attrs.define
class Control:
    """What this process is told; `name` is its own among all of them."""

    store: Store
    logger: Logger
    name: str = attrs.field(init=False, factory=lambda: secrets.token_hex(8))
    _heard: int = attrs.field(init=False, default=0)

    async def tell(self, process: str, stream: str) -> None:
        """Have a process stop the stream of this name."""
        item = stream.encode()
        await self.store.append(_log(process), [item], ttl=TTL_SECONDS, limit=LARGEST)

    async def hear(self, stop: Callable[[str], object]) -> None:
        """Hand on the names that this process is told, for ever."""
        while True:
            try:
                await self._hear(stop)
            except StoreError as exc:
                # Whatever store is there afterwards may count anew.
                self._heard = 0
                self.logger.debug("what other processes say cannot be heard: {}", exc)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _hear(self, stop: Callable[[str], object]) -> None:
        log = _log(self.name)
        # Lengthened, it does not expire; a new one would count from 1 again.
        await self.store.append(log, [], ttl=TTL_SECONDS, limit=LARGEST)
        for number, item in await self.store.read_from(log, self._heard, wait=HEAR_SECONDS):
            self._heard = number
            stop(item.decode())


def _log(process: str) -> str:
    return f"/streams-of/{process}"
