"""The store in one file, which survives a restart and needs no server."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

import attrs

from gateway.errors import StoreError
from gateway.services import Lease
from gateway.store.leases import Leases
from gateway.store.news import News
from gateway.store.sqlite_file import advice, open_file
from gateway.store.sqlite_logs import LogTables


T = TypeVar("T")

_READ = "SELECT value FROM entries WHERE key = ? AND expires > ?"
_DELETE = "DELETE FROM entries WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO entries (key, value, expires) VALUES (?, ?, ?)"
_PUT_IF_ABSENT = """
    INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
    WHERE entries.expires <= ?
"""
_SWEEP = "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= ? LIMIT ?)"
_WRITES_A_SWEEP = 16
_ROWS_A_SWEEP = 64
_LOGS_A_SWEEP = 32


@asynccontextmanager
async def open_sqlite(
    path: Path, *, now: Callable[[], float] = time.time
) -> AsyncIterator[SqliteStore]:
    """
    Open the file, make it if it is not there, and close it in the end.

    Raises:
        StartError: It cannot be opened, or another process has it open.
    """
    with closing(open_file(path)) as db, ThreadPoolExecutor(1, "store") as thread:
        yield SqliteStore(Table(db, now), thread, path)


@attrs.define
class SqliteStore:
    """
    Values in one SQLite file, which one process at a time may have open.

    A write that has returned survives the death of the process, kill -9 included. When the
    machine loses power, the last moments before it may be missing; the file stays whole.
    Times to live run on the wall clock, also while the gateway is down.

    The file does not shrink: expired rows are deleted as new ones are written, and their
    room is used again. Leases are of this process and end with it. To copy the file, stop
    the gateway first, or snapshot it together with the `-wal` beside it.
    """

    _table: Table
    _thread: ThreadPoolExecutor
    _path: Path
    _leases: Leases = attrs.field(factory=Leases, init=False)
    _news: News = attrs.field(factory=News, init=False)

    async def read(self, key: str) -> bytes | None:
        """The value, or None."""
        return await self._run(self._table.read, _bytes(key))

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Set the value, whatever was there."""
        await self._run(self._table.put, _bytes(key), value, ttl)

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Set the value if there is none; say whether it was set."""
        return await self._run(self._table.put_if_absent, _bytes(key), value, ttl)

    async def take(self, key: str) -> bytes | None:
        """Read the value and delete it. Who is cancelled meanwhile may have deleted it."""
        return await self._run(self._table.take, _bytes(key))

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        """Hold `name` until released: first come, first served."""
        return await self._leases.lease(name, wait=wait, queue=queue)

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        """Add to the end of a log."""
        await self._run(self._table.append, _bytes(key), items, ttl, limit)
        self._news.tell(key)

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        """The items of a log behind number `after`; if there are none, wait for one."""

        async def read() -> Sequence[tuple[int, bytes]]:
            return await self._run(self._table.logs.since, _bytes(key), after)

        return await self._news.of(key, read, wait=wait)

    async def ping(self) -> None:
        """Write to the file and change nothing; raise StoreError if that fails."""
        await self._run(self._table.touch)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        """Do the work after all that was asked for before it, on the file's own thread."""
        try:
            job = asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except RuntimeError as error:
            raise StoreError(f"The store {self._path} is closed: the gateway stops.") from error
        try:
            return await job
        except sqlite3.Error as error:
            raise StoreError(advice(error, self._path)) from error


@attrs.define
class Table:
    """The rows. Used by one thread at a time, which makes each method atomic."""

    _db: sqlite3.Connection
    _now: Callable[[], float]
    logs: LogTables = attrs.field(init=False)
    _writes: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.logs = LogTables(self._db, self._now)

    def read(self, key: bytes) -> bytes | None:
        """The value, or None."""
        row = self._db.execute(_READ, (key, self._now())).fetchone()
        return row[0] if row else None

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Set the value, whatever was there."""
        self._sweep()
        self._db.execute(_PUT, (key, value, self._now() + ttl))

    def put_if_absent(self, key: bytes, value: bytes, ttl: float) -> bool:
        """Set the value if there is none, or an expired one."""
        self._sweep()
        now = self._now()
        return self._db.execute(_PUT_IF_ABSENT, (key, value, now + ttl, now)).rowcount > 0

    def take(self, key: bytes) -> bytes | None:
        """Read the value and delete it."""
        value = self.read(key)
        if value is not None:
            self._db.execute(_DELETE, (key,))
        return value

    def append(self, key: bytes, items: Sequence[bytes], ttl: float, limit: int) -> None:
        """Add to the end of a log."""
        self._sweep()
        self.logs.append(key, items, ttl, limit)

    def touch(self) -> None:
        """Write a number that is in the file's head already, and that nothing reads."""
        self._db.execute("PRAGMA user_version = 0")

    def _sweep(self) -> None:
        # Now and then, and more rows than were written since: it keeps up, and no single
        # write waits for long.
        self._writes += 1
        if self._writes % _WRITES_A_SWEEP == 0:
            self._db.execute(_SWEEP, (self._now(), _ROWS_A_SWEEP))
            self.logs.sweep(_LOGS_A_SWEEP)


def _bytes(key: str) -> bytes:
    # Headers that are no UTF-8 reach us as lone surrogates, which SQLite's texts cannot hold.
    return key.encode("utf-8", "surrogatepass")
