"""What the processes of a gateway tell each other about streams: a log in the store for each."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from gateway.errors import StoreError
from gateway.services import Store


if TYPE_CHECKING:
    from loguru import Logger

# What a process is told to do with a stream: `make_way` ends one that nobody reads.
Order: TypeAlias = Literal["stop", "make_way"]

# How long a log is there that nobody hears, and how often who hears it says that he does.
TTL_SECONDS = 3600.0
HEAR_SECONDS = 60.0
PAUSE_SECONDS = 1.0
LARGEST = 100_000

# More than stand in a log at a time.
MOST_ORDERS = 2000


@attrs.define
class Control:
    """
    What this process is told; `name` is its own among all of them.

    Each order is carried out once: whoever came to read a stream after it was to make way must
    not be left by it later.
    """

    store: Store
    logger: Logger
    name: str = attrs.field(init=False, factory=lambda: secrets.token_hex(8))
    _heard: int = attrs.field(init=False, default=0)
    _done: deque[tuple[int, bytes]] = attrs.field(
        init=False, factory=lambda: deque(maxlen=MOST_ORDERS)
    )

    async def tell(self, process: str, order: Order, stream: str) -> None:
        """Have a process do this with the stream of this name."""
        item = f"{order} {stream}".encode()
        await self.store.append(_log(process), [item], ttl=TTL_SECONDS, limit=LARGEST)

    async def hear(self, orders: Mapping[Order, Callable[[str], object]]) -> None:
        """Do with streams, by their names, what this process is told, for ever."""
        while True:
            try:
                await self._hear(orders)
            except StoreError as exc:
                # Whatever store is there afterwards may count anew, or be the same.
                self._heard = 0
                self.logger.debug("what other processes say cannot be heard: {}", exc)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _hear(self, orders: Mapping[Order, Callable[[str], object]]) -> None:
        log = _log(self.name)
        # Lengthened, it does not expire; a new one would count from 1 again.
        await self.store.append(log, [], ttl=TTL_SECONDS, limit=LARGEST)
        for number, item in await self.store.read_from(log, self._heard, wait=HEAR_SECONDS):
            self._heard = number
            if (number, item) in self._done:
                continue
            self._done.append((number, item))
            said, _, stream = item.decode().partition(" ")
            for order, act in orders.items():
                if order == said:  # a newer version may say what this one does not know
                    act(stream)


def _log(process: str) -> str:
    return f"/streams-of/{process}"
