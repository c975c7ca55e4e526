from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StartError
from gateway.store.sqlite_file import advice, open_file


def test_the_directory_is_made(tmp_path: Path) -> None:
    """A store in a directory that is not there yet makes it, readable by its user only."""
    path = tmp_path / "state" / "deep" / "gateway.db"

    with closing(open_file(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_opens_it(tmp_path: Path) -> None:
    """A second opening is refused with what to do, and the first goes on."""
    path = tmp_path / "gateway.db"

    with closing(open_file(path)) as first:
        with pytest.raises(StartError, match="another process has it open"):
            open_file(path)
        assert first.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_a_place_that_cannot_be() -> None:
    """A path below a file is refused with the place that is at fault."""
    with pytest.raises(StartError, match="/dev/null"):
        open_file(Path("/dev/null/gateway.db"))


def test_no_database(tmp_path: Path) -> None:
    """A file that is something else is left alone."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is no database at all." * 20, encoding="utf-8")

    with pytest.raises(StartError, match="it is no SQLite database"):
        open_file(path)
    assert path.read_text(encoding="utf-8").startswith("Dear reader")


def test_advice_without_a_code() -> None:
    """An error of Python's own module is told as it is."""
    told = advice(sqlite3.ProgrammingError("closed"), Path("a.db"))
    assert told == "The store a.db: closed."
