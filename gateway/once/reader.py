"""Reading the log of an answer, in whatever process it is written."""

from __future__ import annotations

import asyncio

import attrs

from gateway.once.claims import is_alive, truncated, unknown
from gateway.once.journal import Journal, presence
from gateway.once.written import Item, ending_of, load
from gateway.services import Store


# Who waits for longer looks whether the turn is run at all any more.
LOOK_SECONDS = 5.0


@attrs.define
class LogReader:
    """
    One reader's place in a log.

    `name` is the key's, `here` the journal if it is this process that writes it. To others
    a reader shows that it is there, so that the run is not given up.
    """

    store: Store
    name: str
    log: str
    here: Journal | None
    grace: float
    _after: int = attrs.field(init=False, default=0)
    _shown: float | None = attrs.field(init=False, default=None)

    async def begin(self) -> list[Item]:
        """
        What there is from the start on; something, in any case.

        Raises:
            Reject: The answer is not to be had whole.
        """
        items = await self.more(0)
        while not _ended(items) and not await self._alive():
            items += await self.more(0)
        while not items:
            items = await self.more(LOOK_SECONDS)
        return items

    async def more(self, wait: float) -> list[Item]:
        """
        What has come since, or nothing after `wait` seconds.

        Raises:
            Reject: Nothing will come any more, or what has come is gone.
        """
        time = asyncio.get_running_loop().time
        until = time() + wait
        while True:
            left = max(0.0, until - time())
            if left:
                await self._show()
            items = await self._read(min(left, LOOK_SECONDS))
            if not items and not await self._alive():
                items = await self._read(0)
                if not items:
                    raise unknown()
            if items or left <= LOOK_SECONDS:
                return items

    async def _read(self, wait: float) -> list[Item]:
        found = await self.store.read_from(self.log, self._after, wait=wait)
        if not found:
            return []
        if found[0][0] != self._after + 1:
            raise truncated()
        self._after = found[-1][0]
        return [load(item) for _, item in found]

    async def _alive(self) -> bool:
        """Whether more may come."""
        if self.here is not None:
            if self.here.broken is not None:
                raise self.here.broken
            if not self.here.over:
                return True
        return await is_alive(self.store, self.name)

    async def _show(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.here is None and (self._shown is None or now - self._shown > self.grace / 3):
            self._shown = now
            ttl = max(self.grace, 2 * LOOK_SECONDS)
            await self.store.put(presence(self.log), b"", ttl=ttl)


def _ended(items: list[Item]) -> bool:
    return bool(items) and ending_of(items[-1]) is not None
