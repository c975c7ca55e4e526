"""Logs in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from itertools import islice

import attrs


@attrs.define
class Log:
    """Items in their order; `last` is the number of the newest, `size` that of their bytes."""

    expires: float = 0.0
    last: int = 0
    size: int = 0
    items: deque[bytes] = attrs.field(factory=deque)

    def add(self, items: Sequence[bytes], limit: int) -> None:
        """Add them, and drop the oldest while there is too much. The newest one stays."""
        for item in items:
            self.items.append(item)
            self.last += 1
            self.size += len(item)
        while self.size > limit and len(self.items) > 1:
            self.size -= len(self.items.popleft())

    def since(self, after: int) -> list[tuple[int, bytes]]:
        """The items behind this number."""
        count = min(self.last - after, len(self.items))
        newest = list(islice(reversed(self.items), max(0, count)))
        return list(enumerate(reversed(newest), start=self.last - len(newest) + 1))


@attrs.define
class Logs:
    """
    All logs of a process.

    Every write also looks at two of them in turn and drops those that have expired, so what
    is dead never outweighs what is alive for long.
    """

    _now: Callable[[], float]
    _logs: OrderedDict[str, Log] = attrs.field(factory=OrderedDict, init=False)

    def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        """Add to the end of a log, or begin it."""
        log = self._alive(key) or Log()
        log.add(items, limit)
        log.expires = self._now() + ttl
        self._logs[key] = log
        self._sweep()

    def since(self, key: str, after: int) -> list[tuple[int, bytes]]:
        """The items behind this number."""
        log = self._alive(key)
        return log.since(after) if log else []

    def _alive(self, key: str) -> Log | None:
        log = self._logs.get(key)
        return log if log and log.expires > self._now() else None

    def _sweep(self) -> None:
        for _ in range(min(2, len(self._logs))):
            key, log = self._logs.popitem(last=False)
            if log.expires > self._now():
                self._logs[key] = log
