"""Logs in SQLite: what survives, and what is left of what has expired."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.sqlite import open_sqlite
from tests.gateway.store.test_sqlite import with_connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


def count(path: Path) -> tuple[int, int]:
    """How many logs and items the file holds."""
    with closing(sqlite3.connect(path)) as tool:
        logs = tool.execute("SELECT count(*) FROM logs").fetchone()[0]
        return logs, tool.execute("SELECT count(*) FROM items").fetchone()[0]


async def test_logs_survive_a_restart(path: Path):
    """What was added is there when the file is opened again, and it goes on from there."""
    async with open_sqlite(path, now=lambda: 1000.0) as store:
        await store.append("log", [b"a", b"b"], ttl=10, limit=100)
    async with open_sqlite(path, now=lambda: 1009.0) as store:
        await store.append("log", [b"c"], ttl=10, limit=100)
        assert await store.read_from("log", 0, wait=0) == [(1, b"a"), (2, b"b"), (3, b"c")]
    async with open_sqlite(path, now=lambda: 1019.0) as store:
        assert await store.read_from("log", 0, wait=0) == ()
        await store.append("log", [b"d"], ttl=10, limit=100)
        assert await store.read_from("log", 0, wait=0) == [(1, b"d")]


async def test_the_expired_go_as_others_come(path: Path):
    """A store written to for ever keeps a few logs more than are alive, and their items."""
    time = 0.0
    async with open_sqlite(path, now=lambda: time) as store:
        for number in range(500):
            time = float(number)
            await store.append(f"log{number}", [b"a", b"b"], ttl=10, limit=100)
    logs, items = count(path)
    assert logs <= 26
    assert items == 2 * logs


async def test_values_sweep_the_logs(path: Path):
    """Text of answers does not stay because no further answer is logged."""
    time = 0.0
    async with open_sqlite(path, now=lambda: time) as store:
        await store.append("log", [b"a", b"b"], ttl=10, limit=100)
        time = 10.0
        for number in range(16):
            await store.put(f"key{number}", b"value", ttl=10)
    assert count(path) == (0, 0)


async def test_a_full_disk(path: Path):
    """What cannot be written whole is not written, and the log goes on when there is room."""
    async with with_connection(path) as (store, db):
        await store.append("log", [b"a"], ttl=10, limit=10**6)
        db.execute("PRAGMA max_page_count = 12")
        with pytest.raises(StoreError, match="the disk is full"):
            await store.append("log", [b"b", b"x" * 200_000], ttl=10, limit=10**6)
        db.execute("PRAGMA max_page_count = 1000")
        await store.append("log", [b"c"], ttl=10, limit=10**6)
        assert await store.read_from("log", 0, wait=0) == [(1, b"a"), (2, b"c")]
