"""Logs in the tables of the SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import attrs


_HEAD = "SELECT last, size FROM logs WHERE key = ? AND expires > ?"
_PUT_HEAD = "INSERT OR REPLACE INTO logs (key, last, size, expires) VALUES (?, ?, ?, ?)"
_PUT_ITEM = "INSERT INTO items (key, number, item) VALUES (?, ?, ?)"
_SIZES = "SELECT number, length(item) FROM items WHERE key = ? AND number < ? ORDER BY number"
_DROP = "DELETE FROM items WHERE key = ? AND number <= ?"
_DROP_ALL = "DELETE FROM items WHERE key = ?"
_DROP_HEAD = "DELETE FROM logs WHERE key = ?"
_SINCE = "SELECT number, item FROM items WHERE key = ? AND number > ? ORDER BY number"
_EXPIRED = "SELECT key FROM logs WHERE expires <= ? LIMIT ?"


@attrs.define
class LogTables:
    """The logs. Used by one thread at a time, which makes each method atomic."""

    _db: sqlite3.Connection
    _now: Callable[[], float]

    def append(self, key: bytes, items: Sequence[bytes], ttl: float, limit: int) -> None:
        """Add to the end of a log, or begin it; all of it is written, or nothing."""
        with self._whole():
            last, size = self._head(key)
            numbered = [(key, last + i, item) for i, item in enumerate(items, start=1)]
            self._db.executemany(_PUT_ITEM, numbered)
            last, size = last + len(items), size + sum(map(len, items))
            size -= self._trim(key, last, size - limit)
            self._db.execute(_PUT_HEAD, (key, last, size, self._now() + ttl))

    def since(self, key: bytes, after: int) -> Sequence[tuple[int, bytes]]:
        """The items behind this number."""
        if self._db.execute(_HEAD, (key, self._now())).fetchone() is None:
            return ()
        return self._db.execute(_SINCE, (key, after)).fetchall()

    def sweep(self, most: int) -> None:
        """Delete what has expired: so many logs at most."""
        expired = self._db.execute(_EXPIRED, (self._now(), most)).fetchall()
        for row in expired:
            with self._whole():
                self._db.execute(_DROP_ALL, row)
                self._db.execute(_DROP_HEAD, row)

    def _head(self, key: bytes) -> tuple[int, int]:
        """The newest number and the size of all; what has expired makes room for a new log."""
        row: tuple[int, int] | None = self._db.execute(_HEAD, (key, self._now())).fetchone()
        if row is None:
            self._db.execute(_DROP_ALL, (key,))
        return row or (0, 0)

    def _trim(self, key: bytes, last: int, excess: int) -> int:
        """Drop the oldest items, but not the newest, and say how large they were."""
        dropped, upto = 0, 0
        if excess > 0:
            for number, size in self._db.execute(_SIZES, (key, last)):
                dropped, upto = dropped + size, number
                if dropped >= excess:
                    break
            self._db.execute(_DROP, (key, upto))
        return dropped

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it by itself when the disk is full
                self._db.execute("ROLLBACK")
            raise
