"""What outlives a request: in memory, in a SQLite file, or in a Redis server.

    memory    nothing to set up, one process, gone when it ends
    sqlite    one file, one process, survives restarts and kill -9
    redis     one server, any number of processes; what survives is its own settings' matter

All keep the contract of `gateway.services.Store`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

import attrs
from loguru import logger as process_logger

from gateway.errors import StartError
from gateway.services import Lease, Store
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import open_sqlite


if TYPE_CHECKING:
    from loguru import Logger

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
    use: Literal["memory", "sqlite", "redis"],
    *,
    path: Path | None = None,
    url: str | None = None,
    now: Callable[[], float] = time.time,
    logger: Logger = process_logger,
) -> AbstractAsyncContextManager[OpenStore]:
    """
    The store that the settings name, open while the context lasts.

    Args:
        path: The file of `sqlite`.
        url: The server of `redis`.
        now: The clock of times to live, in seconds. It must go on across restarts. Redis
            has its own.
        logger: Told of leases that were lost.

    Raises:
        StartError: The store cannot be opened; the message says what to do.
    """
    if use == "memory":
        return nullcontext(MemoryStore(now))
    if use == "redis":
        return _open_redis(url, logger)
    if path is None:
        raise StartError("A sqlite store needs a file: name it in store.path.")
    return open_sqlite(path, now=now)


def _open_redis(url: str | None, logger: Logger) -> AbstractAsyncContextManager[OpenStore]:
    if not url:
        raise StartError("A redis store needs an address: give it in store.url.")
    try:
        from gateway.store.redis import open_redis  # noqa: PLC0415  the package is an extra
    except ModuleNotFoundError as error:
        raise StartError(
            "A redis store needs the redis package: pip install 'letta-gateway[redis]'"
        ) from error
    return open_redis(url, logger=logger)


def _quoted(prefix: str) -> str:
    return quote(prefix, safe=":")


@attrs.frozen
class Prefixed:
    """
    A store seen through a prefix: values, leases and logs of one step of the pipeline.

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

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        """Add to the end of a log."""
        await self._store.append(self._own(key), items, ttl=ttl, limit=limit)

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        """The items of a log behind number `after`; if there are none, wait for one."""
        return await self._store.read_from(self._own(key), after, wait=wait)

    def _own(self, key: str) -> str:
        # The prefix is quoted and has no slash of its own, so the first one ends it.
        return f"{self._prefix}/{key}"
