"""The SQLite store: files, other processes, kill -9 and what goes wrong with disks."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.errors import StartError, StoreError
from gateway.store.sqlite import SqliteStore, Table, open_sqlite
from gateway.store.sqlite_file import open_file


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.store.sqlite import open_sqlite

async def main():
    async with open_sqlite(Path(sys.argv[1])) as store:
        await store.put("taken", b"value", ttl=3600)
        await store.take("taken")
        number = 0
        while True:
            await store.put(f"key{number}", str(number).encode(), ttl=3600)
            print(number, flush=True)
            number += 1

asyncio.run(main())
"""
OPENER = """
import asyncio, sys
from pathlib import Path
from gateway.errors import StartError
from gateway.store.sqlite import open_sqlite

async def main():
    async with open_sqlite(Path(sys.argv[1])):
        print("open")

try:
    asyncio.run(main())
except StartError as error:
    print(error)
"""

LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from gateway.errors import StoreError
from gateway.store.sqlite import open_sqlite

async def main():
    async with open_sqlite(Path(sys.argv[1])) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            await store.put("key", b"x" * 200_000, ttl=10)
        except StoreError as error:
            print(error)

asyncio.run(main())
"""


@asynccontextmanager
async def process(script: str, path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process, which is killed with -9 in the end if it still runs."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def read_line(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    return (await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip()


def content(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes):
    path.write_bytes(content)


@asynccontextmanager
async def with_connection(path: Path) -> AsyncIterator[tuple[SqliteStore, sqlite3.Connection]]:
    """A store, and its connection to do harm with."""
    with closing(open_file(path)) as db, ThreadPoolExecutor(1) as thread:
        yield SqliteStore(Table(db, lambda: 0.0), thread, path), db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


async def test_values_survive_a_restart(path: Path):
    """What was put is there when the file is opened again, until its time is up."""
    async with open_sqlite(path, now=lambda: 1000.0) as store:
        await store.put("short", b"value", ttl=10)
        await store.put("long", b"value", ttl=100)
    async with open_sqlite(path, now=lambda: 1010.0) as store:
        assert await store.read("short") is None
        assert await store.read("long") == b"value"


async def test_what_a_killed_process_wrote_is_there(path: Path):
    """Everything that a process was told is written survives its kill -9."""
    async with process(WRITER, path) as child:
        while int(await read_line(child)) < 300:
            pass
        child.kill()
        rest, _ = await child.communicate()
    last = int(rest.decode().split("\n")[-2]) if b"\n" in rest else 300
    async with open_sqlite(path) as store:
        for number in range(last + 1):
            assert await store.read(f"key{number}") == str(number).encode()
        assert await store.read("taken") is None
        await store.put("key0", b"again", ttl=10)
        assert await store.read("key0") == b"again"


async def test_a_second_process_is_refused(path: Path):
    """While a process has the file, another cannot start on it and is told what to do."""
    async with process(WRITER, path) as child:
        await read_line(child)
        with pytest.raises(
            StartError, match=r"gateway\.db: another process has it open.*store\.path"
        ):
            async with open_sqlite(path):
                pass


async def test_the_refused_do_not_loosen_the_lock(path: Path):
    """A second opening in the same process is refused, and the file stays locked to others."""
    async with open_sqlite(path) as store:
        with pytest.raises(StartError, match="another process has it open"):
            async with open_sqlite(path):
                pass
        async with process(OPENER, path) as child:
            assert "another process has it open" in await read_line(child)
        await store.put("key", b"value", ttl=10)
    async with process(OPENER, path) as child:
        assert await read_line(child) == "open"


async def test_another_name_of_the_file_is_refused(path: Path):
    """A link to the file is the same file."""
    link = path.with_name("link.db")
    async with open_sqlite(path):
        link.symlink_to(path)
        with pytest.raises(StartError, match="another process has it open"):
            async with open_sqlite(link):
                pass


async def test_a_tool_that_reads_the_file_is_waited_for_by_the_operator(path: Path):
    """A file that a tool is reading is refused at start, not when the first value is put."""
    async with open_sqlite(path):
        pass
    with closing(sqlite3.connect(path)) as tool:
        tool.execute("BEGIN")
        tool.execute("SELECT * FROM entries")
        with pytest.raises(StartError, match="another process has it open"):
            async with open_sqlite(path):
                pass


async def test_the_directory_is_made(tmp_path: Path):
    """A path whose directories are missing gets them."""
    async with open_sqlite(tmp_path / "a" / "b" / "gateway.db") as store:
        await store.ping()


async def test_others_cannot_read_the_file(path: Path):
    """The file and the log beside it are for the gateway's user only."""
    async with open_sqlite(path) as store:
        await store.put("key", b"value", ttl=10)
        files = list(path.parent.iterdir())
        assert [file.name for file in sorted(files)] == ["gateway.db", "gateway.db-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_a_name_that_sqlite_knows_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`:memory:` as a path is a file of that name, and survives."""
    monkeypatch.chdir(tmp_path)
    async with open_sqlite(Path(":memory:")) as store:
        await store.put("key", b"value", ttl=3600)
    async with open_sqlite(Path(":memory:")) as store:
        assert await store.read("key") == b"value"


async def test_no_sqlite_file(path: Path):
    """A file of another kind is refused, left as it is, and the message says what to do."""
    write(path, b"something else, " * 1000)
    with pytest.raises(
        StartError, match=r"it is no SQLite database: name another file in store\.path"
    ):
        async with open_sqlite(path):
            pass
    assert content(path) == b"something else, " * 1000


async def test_a_directory_is_no_file(tmp_path: Path):
    """A path that is a directory is refused."""
    with pytest.raises(StartError, match="cannot be written"):
        async with open_sqlite(tmp_path):
            pass


async def test_a_directory_that_cannot_be_made(tmp_path: Path):
    """A path below a file is refused, with the place that is in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"cannot be made: .*file.*store\.path"):
        async with open_sqlite(tmp_path / "file" / "gateway.db"):
            pass


async def test_a_table_of_another_program(path: Path):
    """A database in which somebody else has our table's name is refused."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE entries (title TEXT)")
    with pytest.raises(StartError, match=r"gateway\.db: .*expires"):
        async with open_sqlite(path):
            pass
    async with process(OPENER, path) as child:
        assert "expires" in await read_line(child)


async def test_a_full_disk(path: Path):
    """A full disk is said to be full; what is there can be read, and room ends the trouble."""
    async with with_connection(path) as (store, db):
        await store.put("key", b"value", ttl=10)
        db.execute("PRAGMA max_page_count = 8")
        with pytest.raises(StoreError, match=r"gateway\.db: the disk is full: make room"):
            await store.put("large", b"x" * 100_000, ttl=10)
        assert await store.read("key") == b"value"
        assert await store.read("large") is None
        db.execute("PRAGMA max_page_count = 1000")
        await store.put("large", b"x" * 100_000, ttl=10)


async def test_a_file_that_became_read_only(path: Path):
    """When the file cannot be written any more, ping says so as well."""
    async with with_connection(path) as (store, db):
        await store.put("key", b"value", ttl=10)
        db.execute("PRAGMA query_only = ON")
        for work in (
            store.ping,
            lambda: store.put("key", b"new", ttl=10),
            lambda: store.put_if_absent("new", b"new", ttl=10),
            lambda: store.take("key"),
        ):
            with pytest.raises(StoreError, match="cannot be written"):
                await work()
        assert await store.read("key") == b"value"


async def test_a_write_that_the_system_refuses(path: Path):
    """A write that fails for the system's reasons names the disk and the quota."""
    async with process(LIMITED, path) as child:
        assert "reading or writing it failed: look at the disk" in await read_line(child)


async def test_a_damaged_file(path: Path):
    """A file with rubbish in its middle is said to be damaged."""
    async with open_sqlite(path) as store:
        for number in range(200):
            await store.put(f"key{number}", b"x" * 1000, ttl=3600)
    whole = content(path)
    write(path, whole[:4096] + b"\xa5" * (len(whole) - 4096))
    async with open_sqlite(path) as store:
        with pytest.raises(StoreError, match="it is damaged: put a copy back, or move it away"):
            await store.read("key100")


async def test_a_closed_store(path: Path):
    """Work that comes after the store was closed is told so."""
    async with open_sqlite(path) as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        await store.read("key")


async def test_closing_finishes_what_was_asked_for(path: Path):
    """A write that nobody waits for any more is in the file when the store is closed."""
    async with open_sqlite(path) as store:
        write = asyncio.create_task(store.put("key", b"value", ttl=3600))
        await asyncio.sleep(0)
    await write
    async with open_sqlite(path) as store:
        assert await store.read("key") == b"value"


async def test_the_expired_go_as_others_come(path: Path):
    """A store written to for ever keeps a few rows more than are alive, not all that were."""
    time = 0.0
    async with open_sqlite(path, now=lambda: time) as store:
        for number in range(1000):
            time = float(number)
            await store.put(f"key{number}", b"value", ttl=10)
    with closing(sqlite3.connect(path)) as tool:
        assert tool.execute("SELECT count(*) FROM entries").fetchone()[0] <= 26


async def test_ping_writes(path: Path):
    """A ping is a write that reached the file's log."""
    async with open_sqlite(path) as store:
        log = path.with_name("gateway.db-wal")
        before = log.stat().st_size
        await store.ping()
        assert log.stat().st_size > before
