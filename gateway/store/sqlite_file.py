"""Opening the SQLite file for one process, and what to do when SQLite complains."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import StartError


# The lock is SQLite's own and taken before anything is read: it needs no lock file, ends
# with the process however that ends, and makes shared memory beside the file needless.
_PREPARE = """
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS entries (
        key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL
    );
    CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires);
    CREATE TABLE IF NOT EXISTS logs (
        key BLOB PRIMARY KEY, last INTEGER NOT NULL, size INTEGER NOT NULL, expires REAL NOT NULL
    );
    CREATE INDEX IF NOT EXISTS logs_by_expiry ON logs (expires);
    CREATE TABLE IF NOT EXISTS items (
        key BLOB NOT NULL, number INTEGER NOT NULL, item BLOB NOT NULL, PRIMARY KEY (key, number)
    ) WITHOUT ROWID;
    COMMIT;
"""

_IN_USE = "another process has it open: stop that one, or name another file in store.path"
_UNWRITABLE = "it cannot be written: let the gateway's user write the file and its directory"
_ADVICE = {
    sqlite3.SQLITE_BUSY: _IN_USE,
    sqlite3.SQLITE_LOCKED: _IN_USE,
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_FULL: "the disk is full: make room there",
    sqlite3.SQLITE_IOERR: "reading or writing it failed: look at the disk and its quota",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database: name another file in store.path",
    sqlite3.SQLITE_CORRUPT: "it is damaged: put a copy back, or move it away to start empty",
}
_PRIMARY = 0xFF


def advice(error: sqlite3.Error, path: Path) -> str:
    """What is wrong with the file at `path`, and what to do."""
    # Errors of the Python module, unlike SQLite's own, have no code.
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    known = _ADVICE.get(code)
    return f"The store {path}: {known} ({error})." if known else f"The store {path}: {error}."


def open_file(path: Path) -> sqlite3.Connection:
    """
    The file, ready and locked; it and its directory are made if they are not there.

    Only the gateway's user may read a file made here: conversations are in it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise StartError(
            f"The store {path} cannot be made: {error.strerror} ({error.filename}). "
            "Name a file in store.path that the gateway's user may write."
        ) from error
    return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # Absolute, because SQLite has plans of its own for names such as ":memory:".
        db = sqlite3.connect(
            path.absolute(), timeout=0, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise StartError(advice(error, path)) from error
    try:
        db.executescript(_PREPARE)
    except sqlite3.Error as error:
        db.close()
        raise StartError(advice(error, path)) from error
    return db
