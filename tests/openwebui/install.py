"""Install Open WebUI from packages, once; later runs find it in the cache of the tests.

`pins.txt` is all that it needs to serve, and so nothing is resolved. What runs models on this
machine (torch and five gigabytes with it) is left out.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from pathlib import Path

from tests.letta_server.install import (
    CannotInstall,
    Say,
    alone,
    cache_directory,
    install_uv,
    run,
)


PINS = Path(__file__).with_name("pins.txt")
PYTHON = "3.12"  # the newest that it takes


def ensure(say: Say) -> Path:
    """
    The directory of its commands; it is installed now if it is not there.

    Raises:
        CannotInstall: A package could not be had.
    """
    root = directory()
    with alone(root, say):
        if not (root / "done").exists() or not (root / "venv" / "bin" / "python").exists():
            _install(root, say)
    return root / "venv" / "bin"


def directory() -> Path:
    """Where it is or will be. A change of the pins or of the Python makes another place."""
    pins = PINS.read_bytes() + ".".join(map(str, sys.version_info[:2])).encode()
    return cache_directory() / f"open-webui-{hashlib.sha256(pins).hexdigest()[:12]}"


def _install(root: Path, say: Say) -> None:
    say(f"installing Open WebUI into {root} (once; 1.7 GB)")
    start = time.monotonic()
    shutil.rmtree(root, ignore_errors=True)
    venv = root / "venv"
    try:
        _with_uv(install_uv(root / "uv"), venv)
    except CannotInstall:
        if sys.version_info >= (3, 13):  # only uv can bring another Python
            raise
        say("without uv, which takes some minutes")
        shutil.rmtree(venv, ignore_errors=True)
        _with_pip(venv)
    (root / "done").touch()
    say(f"installed Open WebUI in {time.monotonic() - start:.0f} s")


def _with_uv(uv: Path, venv: Path) -> None:
    python = sys.executable if sys.version_info < (3, 13) else PYTHON
    run(uv, "venv", "--quiet", "--python", python, venv)
    where = ("--python", venv / "bin" / "python")
    run(uv, "pip", "install", "--quiet", *where, "--no-deps", "--requirement", PINS)


def _with_pip(venv: Path) -> None:
    run(sys.executable, "-m", "venv", venv)
    pip = (venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--requirement", PINS)
