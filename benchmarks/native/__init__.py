"""The upstream and the load: C programs that the bench builds, and talks to."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from benchmarks.contender import Unavailable


SOURCES = Path(__file__).parent
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra")


def build(cache: Path) -> Path:
    """
    The folder with both programs, compiled if their sources have changed.

    Raises:
        Unavailable: There is no C compiler, or not on Linux.
    """
    sources = sorted(SOURCES.glob("*.[ch]"))
    told = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    folder = cache / f"native-{told}"
    for name in ("upstream", "load"):
        if not (folder / name).exists():
            folder.mkdir(parents=True, exist_ok=True)
            _compile(SOURCES / f"{name}.c", folder / name)
    return folder


def _compile(source: Path, program: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Unavailable("the bench needs a C compiler, cc: install gcc or clang")
    made = program.with_suffix(".new")
    command = [compiler, *FLAGS, "-o", str(made), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{source.name} does not compile here: {done.stderr.strip()}")
    made.rename(program)
