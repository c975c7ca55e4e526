"""What outlives a request: in memory, or in a SQLite file.

    memory    nothing to set up, one process, gone when it ends
    sqlite    one file, one process, survives restarts and kill -9

Both keep the contract of `gateway.services.Store`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import quote

import attrs

from gateway.errors import StartError
from gateway.services import Lease, Store
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import open_sqlite


__all__ = ["OpenStore", "Prefixed", "open_store"]


class OpenStore(Store, Protocol):
    """The process's store, as the gateway itself has it."""

    async def ping(self) -> None:
        """
        Return if the store can be written.

        Raises:
            StoreError: It cannot; the message says what to do.
        """


def open_store(
    use: Literal["memory", "sqlite"],
    *,
    path: Path | None = None,
    now: Callable[[], float] = time.time,
) -> AbstractAsyncContextManager[OpenStore]:
    """
    The store that the settings name, open while the context lasts.

    Args:
        path: The file of `sqlite`.
        now: The clock of times to live, in seconds. It must go on across restarts.

    Raises:
        StartError: The store cannot be opened; the message says what to do.
    """
    if use == "memory":
        return nullcontext(MemoryStore(now))
    if path is None:
        raise StartError("A sqlite store needs a file: name it in store.path.")
    return open_sqlite(path, now=now)


def _quoted(prefix: str) -> str:
    return quote(prefix, safe=":")


@attrs.frozen
class Prefixed:
    """
    A store seen through a prefix: values and leases of one step of the pipeline.

    No choice of keys reaches what is under another prefix.
    """

    _store: Store
    _prefix: str = attrs.field(converter=_quoted)

    async def read(self, key: str) -> bytes | None:
        """The value, or None."""
        return await self._store.read(self._own(key))

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Set the value, whatever was there."""
        await self._store.put(self._own(key), value, ttl=ttl)

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Set the value if there is none; say whether it was set."""
        return await self._store.put_if_absent(self._own(key), value, ttl=ttl)

    async def take(self, key: str) -> bytes | None:
        """Read the value and delete it."""
        return await self._store.take(self._own(key))

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        """Hold `name` until released: first come, first served."""
        return await self._store.lease(self._own(name), wait=wait, queue=queue)

    def _own(self, key: str) -> str:
        # The prefix is quoted and has no slash of its own, so the first one ends it.
        return f"{self._prefix}/{key}"
