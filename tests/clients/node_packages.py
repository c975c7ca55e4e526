"""The packages of the Node clients: installed once, found in the cache afterwards.

npm is told of an index or a certificate of your own in its own ways.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import playwright

from tests.letta_server.install import CannotInstall, Say, alone, cache_directory
from tests.missing import missing


OPENAI, VERCEL_AI, CODEX, CLINE = (
    Path(__file__).with_name(name) for name in ("openai_node", "vercel_ai", "codex", "cline")
)
PINS = ("package.json", "package-lock.json")

OLDEST = 22  # that OpenAI's SDK and Vercel's take


def node_modules(say: Say, clients: Path = OPENAI) -> Path:
    """
    Where they are, installed now if they are not. A change of the pins makes another place.

    Args:
        clients: The folder of the pins.

    Raises:
        CannotInstall: A package could not be had.
    """
    pins = b"".join((clients / name).read_bytes() for name in PINS)
    root = cache_directory() / f"node-{hashlib.sha256(pins).hexdigest()[:12]}"
    done = root / "done"
    with alone(root, say):
        if not done.exists():
            say(f"installing the clients of tests/clients/{clients.name}")
            _install(root, clients)
            done.touch()
    return root / "node_modules"


def installed(clients: Path) -> Path:
    """The same for a test, which is skipped where they cannot be had."""
    try:
        return node_modules(print, clients)
    except CannotInstall as problem:
        missing(f"the packages of tests/clients/{clients.name}, because {problem}")


@cache
def node() -> str:
    """The `node` that is installed, or, if it is too old for the clients, the one of Playwright."""
    found = shutil.which("node") or ""
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)", said)
    if version and int(version[1]) >= OLDEST:
        return found
    return str(Path(playwright.__file__).with_name("driver") / "node")


def _install(root: Path, clients: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name in PINS:
        shutil.copy(clients / name, root)
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise CannotInstall(f"their installation failed (no network?): {said[-200:]}")
